/** Atlas: SQL files beside `atlas.sum`, and a row with version and hash of each in `atlas_schema_revisions`. */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import { compareLists, type AppliedMigration, type LocalMigration } from '../compareLists.ts';
import { namedFolder } from '../folders.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import { isWithin, type Tree } from '../tree.ts';

export const atlas: ToolModule = {
  tool: 'atlas',
  lookedFor: 'atlas.sum beside SQL files',
  applyWith: 'atlas migrate apply --dir <directory> --url <url>',
  find: (tree, settings) => {
    const named = namedFolder(settings);
    const folders =
      named === undefined
        ? tree.paths.filter((path) => posix.basename(path) === 'atlas.sum').map((path) => posix.dirname(path))
        : [named];
    return Promise.resolve(
      folders
        .filter((folder) => isWithin(folder, settings.directory))
        .map((directory): Layout => ({
          tool: 'atlas',
          directory,
          evidence: settings.directory === undefined ? 'configuration' : 'settings',
          table: {
            names: ['atlas_schema_revisions'],
            schema: undefined,
            columns: { needed: ['version', 'description', 'applied', 'total', 'error', 'hash'] },
          },
          compare: (rows) => compare(tree, directory, rows),
        })),
    );
  },
};

interface Local extends LocalMigration {
  hash: string;
  isCheckpoint: boolean;
}

/** Each hash is over all files up to its own, by names and contents, as `NewHashFile` of Atlas makes them. */
async function filesIn(tree: Tree, directory: string): Promise<Local[]> {
  const sum = createHash('sha256');
  const found: Local[] = [];
  for (const file of tree.filesIn(directory).filter((path) => path.endsWith('.sql'))) {
    const name = posix.basename(file);
    const content = Buffer.from((await tree.bytes(file)) ?? []);
    const text = content.toString('latin1');
    sum.update(name);
    if (!/^[ -~]*atlas:sum +ignore *(?:\n|$)/.test(text)) sum.update(content);
    found.push({
      key: name.replace(/\.sql$/, '').split('_', 1)[0] ?? name,
      name: name.replace(/\.sql$/, ''),
      file,
      hash: sum.copy().digest('base64'),
      isCheckpoint: /^[ -~]*atlas:checkpoint\b/m.test(comments(text)),
    });
  }
  return found;
}

/** Those at the top of a file, which an empty line parts from its statements: what stands elsewhere says nothing of the file. */
const comments = (text: string): string =>
  /^((?:(?:#|--)[^\n]*(?:\n|$))+)(?:[ \t]*\n|$)/.exec(text)?.[1] ?? '';

async function compare(tree: Tree, directory: string, rows: readonly Row[]): Promise<Comparison> {
  const files = await filesIn(tree, directory);
  const applied: (AppliedMigration & { hash: string })[] = [];
  const failed = [];
  for (const { version, description, applied: done, total, error, hash } of rows) {
    // Atlas keeps its own identifier in a row of the same table.
    if (version == null || version.startsWith('.')) continue;
    const each = { key: version, name: [version, description].filter(Boolean).join('_') };
    const isBroken = (error ?? '') !== '' || Number(done) < Number(total);
    if (isBroken)
      failed.push({ ...each, problem: (error ?? '').slice(0, 300) || 'it began and did not end' });
    else applied.push({ ...each, hash: (hash ?? '').replace(/^h1:/, '') });
  }
  const done = new Set(applied.map(({ key }) => key));
  const last = files.findLastIndex(({ isCheckpoint }) => isCheckpoint);
  // The first row may be a checkpoint or a baseline, and stands for all files before it.
  const [begin] = [...applied, ...failed].map(({ key }) => key).sort();
  // A checkpoint stands for all before it: an empty database begins there, and one with any of them passes it over.
  const local = files.filter(
    ({ key, isCheckpoint }, index) =>
      done.has(key) || (begin === undefined ? index >= last : !isCheckpoint && key >= begin),
  );
  // All hashes after a change are other ones: the first tells where it is.
  const first = files.find(({ key, hash }) =>
    applied.some((each) => each.key === key && each.hash !== '' && each.hash !== hash),
  );
  const before = first === undefined ? [] : files.slice(0, files.indexOf(first));
  const isChange = before.every(({ key }) => done.has(key));
  return await compareLists({
    local,
    applied,
    failed,
    ordered: true,
    isEdited: ({ key }) => Promise.resolve(isChange && key === first?.key),
    notes:
      first !== undefined && !isChange
        ? [`The files up to ${first.file} are not those that it was applied after.`]
        : [],
  });
}
