/** Flyway: files named `V1__name.sql` and `R__name.sql`, and a row with CRC32 for each in `flyway_schema_history`. */
import { posix } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Row } from '../../database/database.ts';
import { compareLists, type AppliedMigration, type LocalMigration } from '../compareLists.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import type { Tree } from '../tree.ts';
import { locationsOf } from './flywayLocations.ts';

export const flyway: ToolModule = {
  tool: 'flyway',
  lookedFor: 'flyway.toml, flyway.conf or V1__name.sql',
  applyWith: 'flyway migrate',
  async find(tree, settings) {
    const locations = await locationsOf(tree, settings, isMigration);
    return locations.map(({ directory, folders, evidence, unread, configuration }): Layout => ({
      tool: 'flyway',
      directory,
      evidence,
      unread,
      table: {
        // The second is the name before Flyway 5.
        names:
          configuration?.table === undefined
            ? ['flyway_schema_history', 'schema_version']
            : [configuration.table],
        schema: configuration?.schema,
        columns: {
          needed: ['installed_rank', 'version', 'description', 'type', 'script', 'checksum', 'success'],
        },
      },
      compare: (rows) => compare({ tree, folders, rows, isOrdered: configuration?.outOfOrder !== true }),
    }));
  },
};

/** Prefix, version, two underscores, description: https://documentation.red-gate.com/flyway/reference/usage/migrations */
const versioned = /^V(\d[\d._]*?)__(.*)\.(sql|java|kt)$/;
const repeatable = /^R__(.*)\.(sql|java|kt)$/;
const isMigration = (path: string): boolean => {
  const name = posix.basename(path);
  if (!versioned.test(name) && !repeatable.test(name)) return false;
  return name.endsWith('.sql') || /(^|\/)db\/migration(\/|$)/.test(posix.dirname(path));
};

interface Script extends LocalMigration {
  version: readonly bigint[] | undefined;
}

const otherVendors = /\/(mysql|mariadb|h2|oracle|sqlserver|mssql|sqlite|db2|derby|hsqldb)\//i;

function scriptsIn(tree: Tree, folders: readonly string[]): { versions: Script[]; repeatables: Script[] } {
  const versions: Script[] = [];
  const repeatables: Script[] = [];
  const files = folders.flatMap((folder) => tree.filesBelow(folder).map((file) => ({ folder, file })));
  for (const { folder, file } of files) {
    const name = posix.basename(file);
    // Beside a folder for PostgreSQL, those of other databases are for them.
    if (otherVendors.test(folder === '.' ? `/${file}` : file.slice(folder.length))) continue;
    const [, version] = versioned.exec(name) ?? [];
    const [, described] = repeatable.exec(name) ?? [];
    if (version !== undefined) {
      const parts = partsOf(version);
      versions.push({ key: `V${parts.join('.')}`, name, file, version: parts });
    } else if (described !== undefined) {
      repeatables.push({ key: `R${described.replaceAll('_', ' ')}`, name, file, version: undefined });
    }
  }
  versions.sort((one, other) => byVersion(one.version ?? [], other.version ?? []));
  return { versions, repeatables };
}

/** `1.0` is `1`, `01` is `1`. */
function partsOf(version: string): bigint[] {
  const parts = version
    .split(/[._]/)
    .filter((part) => /^\d+$/.test(part))
    .map(BigInt);
  while (parts.length > 1 && parts.at(-1) === 0n) parts.pop();
  return parts;
}

function byVersion(one: readonly bigint[], other: readonly bigint[]): number {
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    const [left, right] = [one[index] ?? 0n, other[index] ?? 0n];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

interface AppliedScript extends AppliedMigration {
  checksum: string | null;
}

/** What the history says now, from its rows in the order in which they were written. */
function historyOf(rows: readonly Row[]) {
  const applied = new Map<string, AppliedScript>();
  const failed = new Map<string, AppliedMigration & { problem: string }>();
  let baseline: readonly bigint[] | undefined;
  const ranked = [...rows].sort(
    (one, other) => Number(one['installed_rank']) - Number(other['installed_rank']),
  );
  for (const row of ranked) {
    const { version, description, type, script, checksum } = row;
    if (version == null) {
      // "<< Flyway Schema Creation >>" and the like are rows about the schema.
      if (type === 'SCHEMA' || type === 'TABLE') continue;
      const key = `R${description ?? ''}`;
      if (row['success'] === 'f') failed.set(key, failure(key, script ?? key));
      else {
        failed.delete(key);
        applied.set(key, { key, name: script ?? key, checksum: checksum ?? null });
      }
      continue;
    }
    const key = `V${partsOf(version).join('.')}`;
    if (type === 'BASELINE' || type?.endsWith('_BASELINE') === true) baseline = partsOf(version);
    else if (type === 'DELETE' || type?.startsWith('UNDO') === true) {
      applied.delete(key);
      failed.delete(key);
    } else if (row['success'] === 'f') failed.set(key, failure(key, script ?? version));
    else {
      failed.delete(key);
      applied.set(key, { key, name: script ?? version, checksum: checksum ?? null });
    }
  }
  return { applied, failed, baseline };
}

const failure = (key: string, name: string) => ({ key, name, problem: 'it is marked as failed' });

async function compare(options: {
  tree: Tree;
  folders: readonly string[];
  rows: readonly Row[];
  isOrdered: boolean;
}): Promise<Comparison> {
  const { tree, folders, rows, isOrdered } = options;
  const { versions, repeatables } = scriptsIn(tree, folders);
  const { applied, failed, baseline } = historyOf(rows);
  const isAbove = ({ version, key }: Script): boolean =>
    baseline === undefined || applied.has(key) || byVersion(version ?? [], baseline) > 0;

  // A repeatable one that changed is applied again: it is pending, not edited.
  for (const { key, file } of repeatables) {
    const row = applied.get(key);
    if (row !== undefined && (await hasChanged(tree, file, row.checksum, true))) applied.delete(key);
  }
  const compared = await compareLists({
    local: [...versions.filter(isAbove), ...repeatables],
    applied: [...applied.values()],
    failed: [...failed.values()],
    ordered: isOrdered,
    isEdited: async ({ key, file }, { checksum }) =>
      key.startsWith('V') && (await hasChanged(tree, file, checksum, false)),
  });
  // Repeatable ones come after all versions, whenever they were first applied.
  const names = new Set(repeatables.map(({ name }) => name));
  const last = versions.findLast(({ key }) => applied.has(key))?.version;
  const early = versions.filter(({ version }) => last !== undefined && byVersion(version ?? [], last) < 0);
  const isEarly = (name: string): boolean => early.some((each) => each.name === name);
  return {
    ...compared,
    outOfOrder: compared.pending.filter(({ name }) => !names.has(name) && isEarly(name)),
  };
}

/** False where it can't be known: programs have no checksum, and placeholders of repeatable ones are replaced before it is taken. */
async function hasChanged(
  tree: Tree,
  file: string,
  checksum: string | null,
  replaced: boolean,
): Promise<boolean> {
  if (checksum === null || !file.endsWith('.sql')) return false;
  const content = await tree.bytes(file);
  if (content === undefined) return false;
  if (replaced && Buffer.from(content).includes('${')) return false;
  return flywayChecksum(content) !== Number(checksum);
}

/** CRC32 over the lines without their ends, as a signed number, as ChecksumCalculator.java of Flyway computes it. */
export function flywayChecksum(content: Uint8Array): number {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(content).replace(/^\uFEFF/, '');
  let sum = 0;
  for (const line of text.split(/\r\n|\r|\n/)) sum = crc32(Buffer.from(line, 'utf8'), sum);
  return sum | 0;
}
