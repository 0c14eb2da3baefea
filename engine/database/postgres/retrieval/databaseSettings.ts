/** Carries the settings of a dumped database, and of roles in it, to the copy's database, which may have another name. */
import type { Client } from 'pg';
import { sqlState } from '../admin.ts';
import { quoteName } from '../quoting.ts';

const NAME = String.raw`(?:"(?:[^"]|"")+"|[^\s"]+)`;
const STATEMENT = new RegExp(
  String.raw`^ALTER (?:DATABASE ${NAME}|(ROLE ${NAME}) IN DATABASE ${NAME}) SET (.+);$`,
);

/** `ALTER DATABASE a SET x TO 'y';` for another database; undefined: it is no such statement. */
export function settingOf(statement: string, database: string): string | undefined {
  const match = STATEMENT.exec(statement);
  if (match === null) return undefined;
  const [, role, assignment = ''] = match;
  const target =
    role === undefined ? `DATABASE ${quoteName(database)}` : `${role} IN DATABASE ${quoteName(database)}`;
  return `ALTER ${target} SET ${assignment}`;
}

/** Resolves to the schemas in which unqualified names are looked for then. */
export async function applySettings(
  client: Client,
  database: string,
  statements: readonly string[],
  warn: (text: string) => void,
): Promise<readonly string[]> {
  for (const statement of statements) {
    const setting = settingOf(statement, database);
    if (setting === undefined) continue;
    try {
      await client.query(setting);
    } catch (error) {
      if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
      warn(
        `A setting of the database was left out: ${error instanceof Error ? error.message : String(error)}.`,
      );
    }
  }
  const { rows } = await client.query<{ path: string }>(
    `SELECT substr(c, 13) AS path FROM pg_db_role_setting, unnest(setconfig) AS c
     WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND c LIKE 'search\\_path=%'`,
  );
  const names = (rows[0]?.path ?? 'public').match(/"(?:[^"]|"")+"|[^\s,"]+/g) ?? [];
  return names
    .map((name) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name))
    .filter((name) => name !== '$user');
}
