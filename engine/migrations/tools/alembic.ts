/** Alembic: Python modules that name the revision before them, and a row for each head in `alembic_version`. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import type { MigrationFile, MigrationSettings } from '../../protocol/migrationReport.ts';
import { dependencyOrder } from '../dependencyOrder.ts';
import { namedFolder } from '../folders.ts';
import type { Comparison, Evidence, Layout, ToolModule } from '../layout.ts';
import { literalAfter, literals, properties, withoutHashComments } from '../sourceText.ts';
import { isWithin, pathFrom, type Tree } from '../tree.ts';

export const alembic: ToolModule = {
  tool: 'alembic',
  lookedFor: 'alembic.ini and versions/*.py',
  applyWith: 'alembic upgrade head',
  async find(tree, settings) {
    const scripts = await scriptsOf(tree, settings);
    return await Promise.all(
      scripts.map(async ({ directory, folders, evidence }): Promise<Layout> => {
        const env = withoutHashComments((await tree.text(posix.join(directory, 'env.py'))) ?? '');
        return {
          tool: 'alembic',
          directory: folders[0] ?? directory,
          evidence,
          table: {
            names: [literalAfter(env, 'version_table') ?? 'alembic_version'],
            schema: literalAfter(env, 'version_table_schema'),
            columns: { needed: ['version_num'] },
          },
          compare: (rows) => compare(tree, folders, rows),
        };
      }),
    );
  },
};

interface Scripts {
  /** With env.py. */
  directory: string;
  /** With the revisions. */
  folders: string[];
  evidence: Evidence;
}

async function scriptsOf(tree: Tree, settings: MigrationSettings): Promise<Scripts[]> {
  const directory = namedFolder(settings);
  if (directory !== undefined) {
    const versions = posix.join(directory, 'versions');
    return tree.hasFolder(versions)
      ? [{ directory, folders: [versions], evidence: 'settings' }]
      : [{ directory: posix.dirname(directory), folders: [directory], evidence: 'settings' }];
  }
  const found = new Map<string, Scripts>();
  for (const path of tree.paths) {
    const name = posix.basename(path);
    if (name !== 'alembic.ini' && name !== 'pyproject.toml') continue;
    const values = properties((await tree.text(path)) ?? '');
    const section = name === 'alembic.ini' ? 'alembic.' : 'tool.alembic.';
    const stated = values.get(`${section}scriptlocation`);
    if (stated === undefined && name === 'pyproject.toml') continue;
    const folder = posix.dirname(path);
    const here = (text: string): string => text.replaceAll(/%%?\(here\)s/g, '.');
    // "package:folder" is relative to a package; its folder is the usual place of it.
    const location = stated === undefined ? folder : pathFrom(folder, here(stated).replace(':', '/'));
    if (location === undefined) continue;
    // Flask-Migrate keeps alembic.ini beside env.py, and says no location.
    const directory = tree.has(posix.join(location, 'env.py')) ? location : folder;
    const elsewhere = values.get(`${section}versionlocations`);
    const folders = (elsewhere === undefined ? [] : here(elsewhere).split(/[\s:;,]+/)).flatMap(
      (each) => pathFrom(folder, each) ?? [],
    );
    const present = folders.filter((each) => tree.hasFolder(each));
    found.set(directory, {
      directory,
      folders: present.length > 0 ? present : [posix.join(directory, 'versions')],
      evidence: 'configuration',
    });
  }
  for (const path of tree.paths.filter((each) => /(^|\/)versions\/\w+\.py$/.test(each))) {
    const directory = posix.dirname(posix.dirname(path));
    if (found.has(directory) || !tree.has(posix.join(directory, 'env.py'))) continue;
    found.set(directory, { directory, folders: [posix.dirname(path)], evidence: 'files' });
  }
  return [...found.values()].filter(
    ({ directory, folders }) =>
      isWithin(directory, settings.directory) && folders.some((folder) => tree.hasFolder(folder)),
  );
}

interface Revision extends MigrationFile {
  id: string;
  before: readonly string[];
}

async function revisionsIn(tree: Tree, folders: readonly string[]): Promise<Map<string, Revision>> {
  const found = new Map<string, Revision>();
  for (const file of folders.flatMap((folder) => tree.filesBelow(folder))) {
    if (!file.endsWith('.py')) continue;
    const code = withoutHashComments((await tree.text(file)) ?? '');
    const [id] = assigned(code, 'revision');
    if (id === undefined) continue;
    const before = [...assigned(code, 'down_revision'), ...assigned(code, 'depends_on')];
    found.set(id, { id, name: posix.basename(file, '.py'), file, before });
  }
  return found;
}

/** The texts in `name = "x"`, `name: Union[str, None] = ("x", "y")` at the beginning of a line. */
function assigned(code: string, name: string): string[] {
  const value = new RegExp(`^${name}\\s*(?::[^=\\n]*)?=\\s*(\\([^)]*\\)|\\[[^\\]]*\\]|[^\\n]*)`, 'm').exec(
    code,
  )?.[1];
  return value === undefined ? [] : literals(value);
}

async function compare(tree: Tree, folders: readonly string[], rows: readonly Row[]): Promise<Comparison> {
  const revisions = await revisionsIn(tree, folders);
  const heads = rows.flatMap(({ version_num }) => version_num ?? []);
  const applied = new Set<string>();
  const open = [...heads];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const revision = revisions.get(id);
    if (revision === undefined || applied.has(id)) continue;
    applied.add(id);
    open.push(...revision.before);
  }
  const missing = heads.filter((head) => !revisions.has(head));
  const ordered = dependencyOrder(
    [...revisions.values()],
    ({ id }) => id,
    ({ before }) => before,
  );
  const rest = ordered.filter(({ id }) => !applied.has(id));
  // What a revision that is not here stands on can't be known: it may well contain all the others.
  const isBlind = missing.length > 0 && applied.size === 0;
  const notes = brokenLinks(revisions);
  if (isBlind && rest.length > 0)
    notes.push(
      'Which revisions of this checkout the database contains can not be told from a revision that is not here.',
    );
  return {
    files: revisions.size,
    applied: applied.size + missing.length,
    shared: heads.length - missing.length,
    pending: isBlind ? [] : rest.map(({ name, file }) => ({ name, file })),
    missing: missing.map((name) => ({ name })),
    edited: [],
    failed: [],
    outOfOrder: [],
    ordered: false,
    notes,
  };
}

function brokenLinks(revisions: ReadonlyMap<string, Revision>): string[] {
  const notes: string[] = [];
  const followed = new Set([...revisions.values()].flatMap(({ before }) => before));
  const ends = [...revisions.values()].filter(({ id }) => !followed.has(id));
  if (ends.length > 1)
    notes.push(
      `There are several heads (${ends.map(({ name }) => name).join(', ')}): "alembic merge heads" joins them.`,
    );
  for (const { file, before } of revisions.values())
    for (const id of before.filter((each) => !revisions.has(each)))
      notes.push(`${file} follows revision ${id}, which is not in the checkout.`);
  return notes;
}
