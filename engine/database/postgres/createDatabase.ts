/** Makes the database of a copy as the source has it: encoding, collation and the settings that shape values. */
import type { Client } from 'pg';
import { fail } from '../../protocol/errors.ts';
import { sqlState } from './admin.ts';
import { quoteName, quoteText } from './quoting.ts';

export interface DatabaseShape {
  encoding: string;
  collate: string;
  ctype: string;
  /** c: the system's library, i: ICU, b: built in (PostgreSQL 17). */
  provider: 'c' | 'i' | 'b';
  locale: string | null;
  icuRules: string | null;
  /** Server-wide settings of the source under which its values were written. */
  settings: ReadonlyMap<string, string>;
}

/** They decide how money, dates and texts in the dump are read, and how queries show them. */
export const SHAPING: readonly string[] = [
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'default_text_search_config',
  'bytea_output',
  'standard_conforming_strings',
];

export async function readDatabaseShape(client: Client, major: number): Promise<DatabaseShape> {
  const provider = major >= 15 ? 'datlocprovider::text' : "'c'::text";
  const locale = major >= 17 ? 'datlocale' : major >= 15 ? 'daticulocale' : 'NULL::text';
  const rules = major >= 16 ? 'daticurules' : 'NULL::text';
  const { rows } = await client.query<{
    encoding: string;
    collate: string;
    ctype: string;
    provider: DatabaseShape['provider'];
    locale: string | null;
    rules: string | null;
  }>(
    `SELECT pg_catalog.pg_encoding_to_char(encoding) AS encoding, datcollate::text AS collate, datctype::text AS ctype,
            ${provider} AS provider, ${locale} AS locale, ${rules} AS rules
     FROM pg_catalog.pg_database WHERE datname = current_database()`,
  );
  const [row] = rows;
  if (row === undefined)
    throw fail('source_failed', { problem: 'it does not tell the encoding of its database' });
  const settings = await client.query<{ name: string; value: string }>(
    `SELECT name, reset_val AS value FROM pg_catalog.pg_settings
     WHERE name = ANY ($1) AND source IN ('configuration file', 'command line', 'environment variable', 'override')`,
    [SHAPING],
  );
  return {
    encoding: row.encoding,
    collate: row.collate,
    ctype: row.ctype,
    provider: row.provider,
    locale: row.locale,
    icuRules: row.rules,
    settings: new Map(settings.rows.map((setting) => [setting.name, setting.value])),
  };
}

/** What a dump does not tell. */
export const PLAIN_SHAPE: DatabaseShape = {
  encoding: 'UTF8',
  collate: 'C.UTF-8',
  ctype: 'C.UTF-8',
  provider: 'c',
  locale: null,
  icuRules: null,
  settings: new Map(),
};

/**
 * `postgres` and `template1` exist already and are made anew. Where the machine has not the source's collation, the
 * copy gets a plain one, and that is told.
 */
export async function createDatabase(
  openElsewhere: <Value>(database: string, work: (client: Client) => Promise<Value>) => Promise<Value>,
  name: string,
  shape: DatabaseShape,
  warn: (text: string) => void,
): Promise<void> {
  // template1 is where we stand when everything else is dropped and made.
  const standIn = name === 'template1' ? 'postgres' : 'template1';
  await openElsewhere(standIn, async (client) => {
    const { rows } = await client.query<{ major: number }>(
      "SELECT current_setting('server_version_num')::int / 10000 AS major",
    );
    const major = rows[0]?.major ?? 0;
    if (name === 'template1') await client.query('ALTER DATABASE template1 IS_TEMPLATE false');
    await client.query(`DROP DATABASE IF EXISTS ${quoteName(name)}`);
    const candidates = localeCandidates(shape, major);
    for (const [index, candidate] of candidates.entries()) {
      try {
        await client.query(
          `CREATE DATABASE ${quoteName(name)} TEMPLATE template0 ENCODING ${quoteText(shape.encoding)} ${candidate.clause}`,
        );
        if (index > 0) {
          warn(
            `This machine has not the source's collation ${shape.locale ?? shape.collate}: the copy sorts by ${candidate.title}. Install that locale to get the same order.`,
          );
        }
        break;
      } catch (error) {
        // 42809/22023: a locale, a provider or a combination that is not there.
        const unknown = ['42809', '22023', '0A000', '58P01', '22021'].includes(sqlState(error) ?? '');
        if (!unknown || index === candidates.length - 1) {
          const problem = error instanceof Error ? error.message : String(error);
          throw fail(
            'restore_failed',
            { problem: `the database ${name} can't be made: ${problem}` },
            { cause: error },
          );
        }
      }
    }
    for (const [setting, value] of shape.settings) {
      try {
        await client.query(
          `ALTER DATABASE ${quoteName(name)} SET ${quoteName(setting)} TO ${quoteText(value)}`,
        );
      } catch (error) {
        if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
        warn(`The source's ${setting} = ${value} is not possible here and was left out.`);
      }
    }
  });
}

interface LocaleCandidate {
  clause: string;
  title: string;
}

/** From the source's own to one that always exists. */
function localeCandidates(shape: DatabaseShape, major: number): readonly LocaleCandidate[] {
  const system = (collate: string, ctype: string): string =>
    `LC_COLLATE ${quoteText(collate)} LC_CTYPE ${quoteText(ctype)}`;
  const libc = (collate: string, ctype: string): LocaleCandidate => ({
    clause: major >= 15 ? `LOCALE_PROVIDER libc ${system(collate, ctype)}` : system(collate, ctype),
    title: collate,
  });
  const candidates: LocaleCandidate[] = [];
  if (shape.provider === 'i' && major >= 15 && shape.locale !== null) {
    const rules = shape.icuRules === null || major < 16 ? '' : ` ICU_RULES ${quoteText(shape.icuRules)}`;
    const icu = `LOCALE_PROVIDER icu ICU_LOCALE ${quoteText(shape.locale)}${rules}`;
    candidates.push(
      { clause: `${icu} ${system(shape.collate, shape.ctype)}`, title: shape.locale },
      { clause: `${icu} ${system('C', 'C')}`, title: shape.locale },
    );
  } else if (shape.provider === 'b' && major >= 17 && shape.locale !== null) {
    const builtin = `LOCALE_PROVIDER builtin BUILTIN_LOCALE ${quoteText(shape.locale)}`;
    candidates.push(
      { clause: `${builtin} ${system(shape.collate, shape.ctype)}`, title: shape.locale },
      { clause: `${builtin} ${system('C', 'C')}`, title: shape.locale },
    );
  }
  candidates.push(libc(shape.collate, shape.ctype));
  // glibc calls it C.UTF-8 and lists it as C.utf8; ICU's root order is nearer to a language than bytes are.
  if (shape.encoding === 'UTF8') {
    candidates.push(libc('C.UTF-8', 'C.UTF-8'), libc('C.utf8', 'C.utf8'));
  }
  candidates.push(libc('C', 'C'));
  return candidates;
}
