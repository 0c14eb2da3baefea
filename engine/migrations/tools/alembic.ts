/** Alembic: Python modules that name the revision before them, and a row for each head in `alembic_version`. */
import { posix } from 'node:path';
import type { Row } from '../../database/database.ts';
import type { MigrationFile, MigrationSettings } from '../../protocol/migrationReport.ts';
import { dependencyOrder } from '../dependencyOrder.ts';
import { namedFolder } from '../folders.ts';
import type { Comparison, Evidence, Layout, ToolModule } from '../layout.ts';
import { pythonCode, pythonText } from '../pythonValue.ts';
import { literals, properties, withoutHashComments } from '../sourceText.ts';
import { isWithin, pathFrom, type Tree } from '../tree.ts';

export const alembic: ToolModule = {
  tool: 'alembic',
  lookedFor: 'alembic.ini and versions/*.py',
  applyWith: 'alembic upgrade head',
  async find(tree, settings) {
    const scripts = await scriptsOf(tree, settings);
    return await Promise.all(
      scripts.map(async (each): Promise<Layout> => {
        const { directory, folders, evidence } = each;
        const table = await fromEnv(tree, each, 'version_table');
        const schema = await fromEnv(tree, each, 'version_table_schema');
        const lost = [table, schema].flatMap(({ problem }) => problem ?? []);
        return {
          tool: 'alembic',
          directory: folders[0] ?? directory,
          evidence,
          unread: each.unread,
          table: {
            names: [table.text ?? 'alembic_version'],
            schema: schema.text,
            columns: { needed: ['version_num'] },
          },
          async compare(rows) {
            const comparison = await compare(tree, each, rows);
            // With another table everything would be different.
            return lost.length === 0
              ? comparison
              : { ...comparison, problem: `${lost.join('; ')}: ${sayTable}` };
          },
        };
      }),
    );
  },
};

const sayTable = 'say table and schema in workspace.migrations';

/** What env.py gives to Alembic; from alembic.ini where it asks for an option of that. */
async function fromEnv(
  tree: Tree,
  { directory, values }: Scripts,
  name: string,
): Promise<{ text: string | undefined; problem?: string }> {
  const file = posix.join(directory, 'env.py');
  if (!tree.has(file)) return { text: undefined };
  const text = await pythonText(tree, file, name);
  if (text !== null) return { text };
  const code = await pythonCode(tree, file);
  const option = new RegExp(`\\b${name}\\s*=\\s*config\\.get_main_option\\(\\s*["'](\\w+)["']`).exec(
    code,
  )?.[1];
  const stated = option === undefined ? undefined : values.get(option.replaceAll('_', ''));
  return stated === undefined
    ? { text: undefined, problem: `what ${name} in ${file} is, is only known when the program runs` }
    : { text: stated };
}

interface Scripts {
  /** With env.py. */
  directory: string;
  /** With the revisions. */
  folders: string[];
  evidence: Evidence;
  /** Whether folders below count too. */
  isDeep: boolean;
  unread: readonly string[];
  /** Options of alembic.ini, without their section. */
  values: ReadonlyMap<string, string>;
}

const found = { isDeep: false, unread: [], values: new Map<string, string>() };

async function scriptsOf(tree: Tree, settings: MigrationSettings): Promise<Scripts[]> {
  const directory = namedFolder(settings);
  if (directory !== undefined) {
    const versions = posix.join(directory, 'versions');
    const [scripts, folders] = tree.hasFolder(versions)
      ? [directory, [versions]]
      : [posix.dirname(directory), [directory]];
    return [{ ...found, directory: scripts, folders, evidence: 'settings', isDeep: true }];
  }
  const all = new Map<string, Scripts>();
  for (const path of tree.paths) {
    const name = posix.basename(path);
    if (name !== 'alembic.ini' && name !== 'pyproject.toml') continue;
    const text = (await tree.text(path)) ?? '';
    const values = sectionOf(text, name === 'alembic.ini' ? 'alembic.' : 'tool.alembic.');
    const stated = values.get('scriptlocation');
    if (stated === undefined && name === 'pyproject.toml') continue;
    const folder = posix.dirname(path);
    // "package:folder" is relative to a package; its folder is the usual place of it.
    const location = stated === undefined ? folder : pathFrom(folder, here(stated).replace(':', '/'));
    if (location === undefined) continue;
    // Flask-Migrate keeps alembic.ini beside env.py, and says no location.
    const directory = tree.has(posix.join(location, 'env.py')) ? location : folder;
    const places = versionLocations(text, values).map((each) => ({ each, at: pathFrom(folder, here(each)) }));
    const present = places.flatMap(({ at }) => (at !== undefined && tree.hasFolder(at) ? [at] : []));
    all.set(directory, {
      directory,
      folders: present.length > 0 ? present : [posix.join(directory, 'versions')],
      evidence: 'configuration',
      isDeep: values.get('recursiveversionlocations') === 'true',
      unread: places.flatMap(({ each, at }) =>
        at === undefined || at.includes('%(') ? [`${path} names ${each}, which is not in the checkout`] : [],
      ),
      values,
    });
  }
  for (const path of tree.paths.filter((each) => /(^|\/)versions\/\w+\.py$/.test(each))) {
    const directory = posix.dirname(posix.dirname(path));
    if (all.has(directory) || !tree.has(posix.join(directory, 'env.py'))) continue;
    all.set(directory, { ...found, directory, folders: [posix.dirname(path)], evidence: 'files' });
  }
  return [...all.values()].filter(
    ({ directory, folders }) =>
      isWithin(directory, settings.directory) && folders.some((folder) => tree.hasFolder(folder)),
  );
}

const here = (text: string): string => text.replaceAll(/%%?\(here\)s/g, '.');

function sectionOf(text: string, section: string): Map<string, string> {
  const all = [...properties(text)].filter(([key]) => key.startsWith(section));
  return new Map(all.map(([key, value]) => [key.slice(section.length), value]));
}

/** One line or several, or a list of TOML, with the separator that the file says. */
function versionLocations(text: string, values: ReadonlyMap<string, string>): string[] {
  const list = /^[ \t]*version_locations\s*=\s*\[([^\]]*)\]/m.exec(text)?.[1];
  if (list !== undefined) return literals(list);
  const stated =
    /^[ \t]*version_locations[ \t]*=[ \t]*([^\n]*(?:\n[ \t]+(?![#;])[^\n=]+)*)/m.exec(text)?.[1] ?? '';
  const separator = values.get('pathseparator') ?? values.get('versionpathseparator');
  const parts =
    separator === 'os' || separator === ':' || separator === ';'
      ? stated.split(/[:;\n]/)
      : stated.split(/[\s,]+/);
  return parts.map((each) => each.trim().replace(/^(\w+):/, '$1/')).filter(Boolean);
}

interface Revision extends MigrationFile {
  id: string;
  before: readonly string[];
}

async function revisionsIn(tree: Tree, { folders, isDeep }: Scripts): Promise<Map<string, Revision>> {
  const revisions = new Map<string, Revision>();
  for (const file of folders.flatMap((folder) => (isDeep ? tree.filesBelow(folder) : tree.filesIn(folder)))) {
    if (!file.endsWith('.py')) continue;
    const code = withoutHashComments((await tree.text(file)) ?? '');
    const [id] = assigned(code, 'revision');
    if (id === undefined) continue;
    const before = [...assigned(code, 'down_revision'), ...assigned(code, 'depends_on')];
    revisions.set(id, { id, name: posix.basename(file, '.py'), file, before });
  }
  return revisions;
}

/** The texts in `name = "x"`, `name: Union[str, None] = ("x", "y")` at the beginning of a line. */
function assigned(code: string, name: string): string[] {
  const value = new RegExp(`^${name}\\s*(?::[^=\\n]*)?=\\s*(\\([^)]*\\)|\\[[^\\]]*\\]|[^\\n]*)`, 'm').exec(
    code,
  )?.[1];
  return value === undefined ? [] : literals(value);
}

async function compare(tree: Tree, scripts: Scripts, rows: readonly Row[]): Promise<Comparison> {
  const revisions = await revisionsIn(tree, scripts);
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
