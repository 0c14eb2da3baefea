/** Prisma: a folder with `migration.sql` for each migration, and a row with its SHA-256 in `_prisma_migrations`. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import type { MigrationSettings } from '../../protocol/migrationReport.ts';
import { digests } from '../checksum.ts';
import { valueAfter } from '../codeValue.ts';
import { compareLists, type AppliedMigration, type LocalMigration } from '../compareLists.ts';
import { namedFolder } from '../folders.ts';
import type { Comparison, Evidence, Layout, ToolModule } from '../layout.ts';
import { blocksAfter, withoutComments } from '../sourceText.ts';
import { statedPaths } from '../statedPaths.ts';
import { isWithin, type Tree } from '../tree.ts';

export const prisma: ToolModule = {
  tool: 'prisma',
  lookedFor: 'schema.prisma or migration_lock.toml',
  applyWith: 'npx prisma migrate deploy',
  async find(tree, settings) {
    const folders = await foldersOf(tree, settings);
    return [...folders].map(([directory, place]) => layoutAt(tree, directory, place));
  },
};

interface Place {
  evidence: Evidence;
  unread: readonly string[];
}

async function foldersOf(tree: Tree, settings: MigrationSettings): Promise<Map<string, Place>> {
  const found = new Map<string, Place>();
  const lost: string[] = [];
  const configured: Place = { evidence: 'configuration', unread: lost };
  const named = namedFolder(settings);
  if (named !== undefined) return found.set(named, { evidence: 'settings', unread: [] });
  for (const path of tree.paths) {
    const name = posix.basename(path);
    const folder = posix.dirname(path);
    if (name === 'migration_lock.toml') {
      if (isPostgres(/^[ \t]*provider\s*=\s*"([^"]*)"/m.exec((await tree.text(path)) ?? '')?.[1]))
        found.set(folder, configured);
    } else if (name.endsWith('.prisma')) {
      const source = /\bdatasource\s+\w+\s*\{([^{}]*)\}/.exec(withoutComments((await tree.text(path)) ?? ''));
      if (source !== null && isPostgres(/\bprovider\s*=\s*"([^"]*)"/.exec(source[1] ?? '')?.[1])) {
        const beside = posix.join(folder, 'migrations');
        if (!found.has(beside)) found.set(beside, configured);
      }
    } else if (/^prisma\.config\.[cm]?[jt]s$/.test(name)) {
      const text = (await tree.text(path)) ?? '';
      for (const block of blocksAfter(withoutComments(text), 'migrations')) {
        // The constants stand in the rest of the file.
        const value = await valueAfter(
          { path, text: `${block}\n;${text.replaceAll(/\bpath\s*:/g, '')}` },
          'path',
        );
        const { paths, unread } = statedPaths(value, { file: path, key: 'migrations.path', folder });
        for (const directory of paths) found.set(directory, configured);
        lost.push(...unread);
      }
    }
  }
  // Where a folder has migrations, a schema whose folder has none is one of several files of the same schema.
  const filled = [...found].filter(([folder]) => tree.hasFolder(folder));
  const chosen = filled.length > 0 ? filled : [...found].slice(0, 1);
  return new Map(chosen.filter(([folder]) => isWithin(folder, settings.directory)));
}

const isPostgres = (provider: string | undefined): boolean =>
  provider === undefined || ['postgresql', 'postgres', 'cockroachdb'].includes(provider);

function layoutAt(tree: Tree, directory: string, { evidence, unread }: Place): Layout {
  return {
    tool: 'prisma',
    directory,
    evidence,
    unread,
    table: {
      names: ['_prisma_migrations'],
      schema: undefined,
      columns: { needed: ['migration_name', 'checksum', 'finished_at', 'rolled_back_at'], wanted: ['logs'] },
    },
    compare: (rows) => compare(tree, directory, rows),
  };
}

interface AppliedRow extends AppliedMigration {
  checksum: string | null;
}

async function compare(tree: Tree, directory: string, rows: readonly Row[]): Promise<Comparison> {
  const local = tree.paths.flatMap((file): LocalMigration[] => {
    const name = posix.basename(posix.dirname(file));
    return file === posix.join(directory, name, 'migration.sql') ? [{ key: name, name, file }] : [];
  });
  const applied = new Map<string, AppliedRow>();
  const broken = new Map<string, AppliedMigration & { problem: string }>();
  for (const row of rows) {
    const name = row['migration_name'];
    // One that was rolled back counts as never applied; it is tried again under a row of its own.
    if (name == null || row['rolled_back_at'] != null) continue;
    if (row['finished_at'] != null) applied.set(name, { key: name, name, checksum: row['checksum'] ?? null });
    else broken.set(name, { key: name, name, problem: reason(row['logs']) });
  }
  for (const name of applied.keys()) broken.delete(name);
  return await compareLists({
    local,
    applied: [...applied.values()],
    failed: [...broken.values()],
    ordered: false,
    isEdited: async ({ file }, { checksum }) => {
      const content = await tree.bytes(file);
      if (content === undefined || checksum === null) return false;
      return !digests(content, 'sha256').some(
        (digest) => digest === checksum || unpadded(digest) === checksum,
      );
    },
  });
}

/** The line of what the server said; the rest is where Prisma was. */
const reason = (logs: string | null | undefined): string =>
  logs == null || logs === ''
    ? 'it began and did not end'
    : (/ERROR:\s*(.+)/.exec(logs)?.[1] ?? 'it failed').slice(0, 300);

/** Early versions left out the zero of bytes below 16: https://github.com/prisma/prisma-engines/issues/1887 */
const unpadded = (digest: string): string => digest.replaceAll(/0(.)(?=(?:..)*$)/g, '$1');
