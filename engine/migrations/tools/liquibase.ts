/** Liquibase: change sets of a changelog by id, author and path, and a row for each in `databasechangelog`. */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import * as yaml from 'yaml';
import type { Row } from '../../database/database.ts';
import type { MigrationSettings } from '../../protocol/migrationReport.ts';
import { isChangelogName, readChangelog, type Changelog, type ChangeSet } from '../changelog.ts';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import type { Comparison, Evidence, Layout, ToolModule } from '../layout.ts';
import { maxYamlCharacters, properties } from '../sourceText.ts';
import { foldersUpFrom, isWithin, normalFolder, type Tree } from '../tree.ts';

export const liquibase: ToolModule = {
  tool: 'liquibase',
  lookedFor: 'liquibase.properties, or a changelog such as db.changelog-master.xml',
  applyWith: 'liquibase update',
  async find(tree, settings) {
    const roots = await rootsOf(tree, settings);
    return roots.map(({ first, evidence, changelog }): Layout => ({
      tool: 'liquibase',
      directory: posix.dirname(first),
      evidence,
      table: {
        names: ['databasechangelog'],
        schema: undefined,
        columns: { needed: ['id', 'author', 'filename', 'md5sum', 'exectype'] },
      },
      lock: { name: 'databasechangeloglock', columns: ['locked', 'lockedby'] },
      compare: (rows, lock) => compare(changelog, rows, lock),
    }));
  },
};

interface Root {
  first: string;
  evidence: Evidence;
  changelog: Changelog;
}

async function rootsOf(tree: Tree, settings: MigrationSettings): Promise<Root[]> {
  const open = async (first: string, evidence: Evidence): Promise<Root> => {
    // The class path of a Java project begins at its resources; else paths begin where Liquibase is started.
    const up = foldersUpFrom(posix.dirname(first));
    const resources = up.filter((folder) => /(^|\/)resources$/.test(folder));
    const stated = settings.directory === undefined ? [] : [normalFolder(settings.directory)];
    const changelog = await readChangelog(tree, first, [...stated, ...resources, ...up.reverse()]);
    return { first, evidence, changelog };
  };
  if (settings.changelog !== undefined) return [await open(normalFolder(settings.changelog), 'settings')];
  const stated = (await statedChangelogs(tree)).filter((path) =>
    isWithin(posix.dirname(path), settings.directory),
  );
  if (stated.length > 0) return await Promise.all(stated.map((path) => open(path, 'configuration')));

  const evidence = settings.directory === undefined ? 'files' : 'settings';
  const found: Root[] = [];
  for (const path of tree.paths) {
    if (!isChangelogName(path) || !isWithin(posix.dirname(path), settings.directory)) continue;
    if (!/changelog|liquibase/i.test(path)) continue;
    if (!/databaseChangeLog|liquibase\s+formatted\s+sql/i.test((await tree.text(path)) ?? '')) continue;
    found.push(await open(path, evidence));
  }
  // What another one includes is no beginning.
  const included = new Set(
    found.flatMap(({ first, changelog }) => [...changelog.files].filter((each) => each !== first)),
  );
  const roots = found.filter(({ first }) => !included.has(first));
  const masters = roots.filter(({ first }) => /master|root|main|index/i.test(posix.basename(first)));
  return masters.length > 0 ? masters : roots;
}

/** Of liquibase.properties and of Spring Boot. */
async function statedChangelogs(tree: Tree): Promise<string[]> {
  const found = new Set<string>();
  for (const path of tree.paths) {
    const name = posix.basename(path);
    let stated: string | undefined;
    if (/^liquibase([.-]\w+)?\.properties$/.test(name)) {
      const values = properties((await tree.text(path)) ?? '');
      stated = values.get('changelogfile') ?? values.get('liquibase.command.changelogfile');
    } else if (/^application([-.][\w-]+)?\.properties$/.test(name)) {
      stated = properties((await tree.text(path)) ?? '').get('spring.liquibase.changelog');
    } else if (/^application([-.][\w-]+)?\.ya?ml$/.test(name)) {
      const text = (await tree.text(path)) ?? '';
      const documents =
        text.length > maxYamlCharacters ? [] : yaml.parseAllDocuments(text, { logLevel: 'silent' });
      for (const document of documents) {
        const value: unknown =
          document.getIn(['spring', 'liquibase', 'change-log']) ??
          document.getIn(['spring', 'liquibase', 'changeLog']);
        if (typeof value === 'string') stated = value;
      }
    }
    if (stated === undefined) continue;
    const end = stated
      .replace(/^classpath\*?:/, '')
      .replaceAll('\\', '/')
      .replace(/^(\.?\/)+/, '');
    const matches = tree.paths.filter((each) => each === end || each.endsWith(`/${end}`));
    // The nearest one, where modules have one of the same name each.
    const near = foldersUpFrom(posix.dirname(path))
      .map((folder) => matches.find((each) => isWithin(each, folder)))
      .find((each) => each !== undefined);
    if (near !== undefined) found.add(near);
  }
  return [...found];
}

async function compare(
  changelog: Changelog,
  rows: readonly Row[],
  lock: readonly Row[],
): Promise<Comparison> {
  const keyOf = ({ id, author, file }: ChangeSet): string => `${file}::${id}::${author}`;
  const sets = changelog.sets.filter(({ isForOthers }) => !isForOthers);
  const byName = Map.groupBy(changelog.sets, ({ id, author }) => `${id}::${author}`);
  const applied = rows.flatMap(({ id, author, filename, md5sum }) => {
    if (id == null || author == null || filename == null) return [];
    const name = `${filename}::${id}::${author}`;
    const known = byName.get(`${id}::${author}`)?.find((each) => isSamePath(each, filename));
    return [{ key: known === undefined ? name : keyOf(known), name, checksum: md5sum ?? '' }];
  });
  const done = new Set(applied.map(({ key }) => key));
  const open = sets.filter((each) => !done.has(keyOf(each)));
  const conditional = open.filter(({ isConditional }) => isConditional);
  const notes: string[] = [];
  if (conditional.length > 0)
    notes.push(
      `Not compared, since contexts or labels decide whether they run: ${conditional.slice(0, 10).map(keyOf).join(', ')}.`,
    );
  const sqlByKey = new Map(sets.map((each) => [keyOf(each), each.sql]));
  const known = new Set(sets.map(keyOf));
  const unchecked = applied.filter(
    ({ key, checksum }) => known.has(key) && !(hasKnownWay(checksum) && sqlByKey.get(key) !== undefined),
  );
  if (unchecked.length > 0)
    notes.push(
      `Whether ${unchecked.length} of the applied change sets were changed since is not known: only checksums of Liquibase 4.22 and later over plain SQL are compared.`,
    );
  const others = changelog.sets.filter((each) => each.isForOthers && done.has(keyOf(each)));
  const lists = await compareLists({
    local: [...sets.filter((each) => !conditional.includes(each)), ...others].map((each): LocalMigration => ({
      key: keyOf(each),
      name: keyOf(each),
      file: each.file,
    })),
    applied,
    ordered: false,
    isEdited: async ({ key }, { checksum }) => {
      const sql = sqlByKey.get(key);
      return sql !== undefined && hasKnownWay(checksum) && checksum !== changeSetChecksum(sql);
    },
    notes,
  });
  const compared = { ...lists, unread: changelog.unread };
  const holder = lock.find(({ locked }) => locked === 't');
  if (holder === undefined) return compared;
  const problem = `${holder['lockedby'] ?? 'somebody'} holds the lock: a run is under way or broke off`;
  return { ...compared, failed: [{ name: 'databasechangeloglock', file: null, problem }] };
}

/** Paths in the database are relative to wherever Liquibase was started, or to the class path. */
function isSamePath({ file, logicalPath }: ChangeSet, filename: string): boolean {
  const stored = filename
    .replace(/^classpath\*?:/, '')
    .replaceAll('\\', '/')
    .replace(/^(\.?\/)+/, '');
  if (logicalPath !== undefined)
    return logicalPath.replace(/^classpath\*?:/, '').replace(/^(\.?\/)+/, '') === stored;
  return file === stored || file.endsWith(`/${stored}`) || stored.endsWith(`/${file}`);
}

const hasKnownWay = (checksum: string): boolean => checksum.startsWith('9:');

/**
 * Of a change set that is SQL: MD5 of the one change's checksum, which is MD5 of the SQL without white space (AbstractSQLChange and
 * ChangeSet of Liquibase 4.22 and later; compared with 4.29).
 */
export function changeSetChecksum(sql: string): string {
  const md5 = (text: string): string => createHash('md5').update(text, 'utf8').digest('hex');
  return `9:${md5(`9:${md5(sql.replaceAll(/[ \n\r\t]/g, ''))}:`)}`;
}
