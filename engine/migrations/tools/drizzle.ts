/** Drizzle: SQL files that a journal lists with a time, and a row with SHA-256 and that time; earlier times than the last are left out. */
import { posix } from 'node:path';
import * as z from 'zod';
import type { Row } from '../../database/database.ts';
import type { MigrationSettings } from '../../protocol/migrationReport.ts';
import { digests } from '../checksum.ts';
import { valueAfter } from '../codeValue.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import { namedFolder } from '../folders.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import { parseJson } from '../scriptFolders.ts';
import { blocksAfter, literalAfter, withoutComments } from '../sourceText.ts';
import { statedPaths } from '../statedPaths.ts';
import { foldersUpFrom, isWithin, type Tree } from '../tree.ts';

export const drizzle: ToolModule = {
  tool: 'drizzle',
  lookedFor: 'drizzle.config.ts or meta/_journal.json',
  applyWith: 'npx drizzle-kit migrate',
  async find(tree, settings) {
    const configurations = await configurationsIn(tree);
    const folders = await foldersOf(tree, settings, configurations);
    return folders.map((directory): Layout => {
      const own =
        configurations.find(({ out }) => out === directory) ??
        configurations.find(({ folder }) => foldersUpFrom(directory).includes(folder));
      return {
        tool: 'drizzle',
        directory,
        evidence: settings.directory === undefined ? 'configuration' : 'settings',
        unread: own?.unread ?? [],
        table: {
          names: [own?.table ?? '__drizzle_migrations'],
          schema: own?.schema,
          columns: { needed: ['hash', 'created_at'] },
        },
        compare: (rows) => compare(tree, directory, rows),
      };
    });
  },
};

interface Configuration {
  folder: string;
  out: string | undefined;
  unread: readonly string[];
  dialect: string | undefined;
  table: string | undefined;
  schema: string | undefined;
}

const journalSchema = z.object({
  dialect: z.string().optional(),
  entries: z.array(z.object({ tag: z.string(), when: z.number() })),
});

async function journalAt(tree: Tree, directory: string): Promise<z.infer<typeof journalSchema> | undefined> {
  const text = await tree.text(posix.join(directory, 'meta', '_journal.json'));
  return journalSchema.safeParse(parseJson(text)).data;
}

async function configurationsIn(tree: Tree): Promise<Configuration[]> {
  const found: Configuration[] = [];
  for (const file of tree.paths) {
    if (
      !/^drizzle([.-][\w-]+)*\.config([.-][\w-]+)*\.([cm]?[jt]s|json)$|^drizzle\.config\./.test(
        posix.basename(file),
      )
    )
      continue;
    const content = (await tree.text(file)) ?? '';
    const text = withoutComments(content);
    const folder = posix.dirname(file);
    const stated = (await valueAfter({ path: file, text: content }, 'out')) ?? {
      values: ['drizzle'],
      isPartly: false,
    };
    const { paths, unread } = statedPaths(stated, { file, key: 'out', folder });
    const migrations = blocksAfter(text, 'migrations');
    found.push({
      folder,
      out: paths[0],
      unread,
      dialect: literalAfter(text, 'dialect'),
      table: migrations.map((block) => literalAfter(block, 'table')).find(Boolean),
      schema: migrations.map((block) => literalAfter(block, 'schema')).find(Boolean),
    });
  }
  return found;
}

const isPostgres = (dialect: string | undefined): boolean =>
  dialect === undefined || ['postgresql', 'pg', 'postgres'].includes(dialect);

async function foldersOf(
  tree: Tree,
  settings: MigrationSettings,
  configurations: readonly Configuration[],
): Promise<string[]> {
  const named = namedFolder(settings);
  if (named !== undefined) return [named];
  const journals = tree.paths
    .filter((path) => /(^|\/)meta\/_journal\.json$/.test(path))
    .map((path) => posix.dirname(posix.dirname(path)));
  const found: string[] = [];
  for (const directory of journals)
    if (isPostgres((await journalAt(tree, directory))?.dialect)) found.push(directory);
  for (const { out, dialect } of configurations)
    if (out !== undefined && dialect !== undefined && isPostgres(dialect)) found.push(out);
  return [...new Set(found)].filter((folder) => isWithin(folder, settings.directory));
}

async function compare(tree: Tree, directory: string, rows: readonly Row[]): Promise<Comparison> {
  const journal = await journalAt(tree, directory);
  const notes: string[] = [];
  const entries = journal?.entries ?? [];
  if (journal === undefined && tree.has(posix.join(directory, 'meta', '_journal.json')))
    notes.push(`${directory}/meta/_journal.json is not a journal of Drizzle.`);
  const local = entries
    .map(({ tag, when }): LocalMigration & { when: number } => {
      const file = posix.join(directory, `${tag}.sql`);
      if (!tree.has(file)) notes.push(`${file} is in the journal and not in the checkout.`);
      return { key: String(when), name: tag, file, when };
    })
    .sort((one, other) => one.when - other.when);
  /** Several files may have the same content. */
  const hashes = new Map<string, readonly string[]>();
  for (const { key, file } of local) {
    const content = await tree.bytes(file);
    if (content !== undefined) hashes.set(key, digests(content, 'sha256'));
  }
  const times = new Set(rows.map(({ created_at }) => created_at));
  return await compareLists({
    local,
    applied: rows.flatMap(({ hash, created_at }) => {
      if (hash == null) return [];
      const sameTime = local.find(({ key }) => key === created_at);
      // A time that was changed in the journal, of a file that was not, is the same migration.
      const sameText = local.find(({ key }) => !times.has(key) && hashes.get(key)?.includes(hash) === true);
      const key = (sameTime ?? sameText)?.key ?? created_at ?? hash;
      return [{ key, name: nameOf(hash, created_at), hash }];
    }),
    ordered: true,
    isEdited: async ({ key }, { hash }) => hashes.get(key)?.includes(hash) === false,
    notes,
  });
}

/** The table holds no names. */
const nameOf = (hash: string, createdAt: string | null | undefined): string => {
  const time = Number(createdAt);
  const when = Number.isFinite(time) && time > 0 && time < 1e14 ? ` of ${new Date(time).toISOString()}` : '';
  return `${hash.slice(0, 12)}${when}`;
};
