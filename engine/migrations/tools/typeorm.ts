/** TypeORM: classes whose names end in a time in milliseconds, and a row with time and name in `migrations`. */
import { posix } from 'node:path';
import { compareLists, type LocalMigration } from '../compareLists.ts';
import type { Comparison, Layout, ToolModule } from '../layout.ts';
import type { Row } from '../../database/database.ts';
import { foldersFor, isScript } from '../scriptFolders.ts';
import { literalAfter, withoutComments } from '../sourceText.ts';
import type { Tree } from '../tree.ts';

const words = /\bMigrationInterface\b|\bQueryRunner\b|\bqueryRunner\b/;

export const typeorm: ToolModule = {
  tool: 'typeorm',
  lookedFor: 'scripts with classes that implement MigrationInterface',
  applyWith: 'npx typeorm migration:run -d <data source>',
  async find(tree, settings) {
    const { table, schema } = await configuration(tree);
    const folders = await foldersFor({ tree, settings, configured: [], words });
    return folders.map(({ directory, evidence }): Layout => ({
      tool: 'typeorm',
      directory,
      evidence,
      table: {
        names: [table ?? 'migrations'],
        schema,
        columns: { needed: ['timestamp', 'name'], foreign: ['batch', 'run_on'] },
      },
      compare: (rows) => compare(tree, directory, rows),
    }));
  },
};

/** Data sources have any name: those that say a table are few, and lie in files that say so. */
async function configuration(tree: Tree): Promise<{ table: string | undefined; schema: string | undefined }> {
  for (const path of tree.paths) {
    if (!/data-?source|orm-?config|typeorm|(^|[/._-])database\b|app\.module/i.test(path)) continue;
    if (!isScript(path) && !path.endsWith('.json')) continue;
    const text = withoutComments((await tree.text(path)) ?? '');
    const table = literalAfter(text, 'migrationsTableName');
    if (table === undefined) continue;
    // "schema.table" is how TypeORM itself takes both.
    const [first = '', second] = table.split('.');
    return second === undefined
      ? { table: first, schema: literalAfter(text, 'schema') }
      : { table: second, schema: first };
  }
  return { table: undefined, schema: undefined };
}

async function compare(tree: Tree, directory: string, rows: readonly Row[]): Promise<Comparison> {
  const local: (LocalMigration & { time: number })[] = [];
  const notes: string[] = [];
  for (const file of tree.filesIn(directory).filter(isScript)) {
    const text = await tree.text(file);
    const names = text === undefined ? [] : classesIn(withoutComments(text));
    for (const name of names) local.push({ key: name, name, file, time: Number(name.slice(-13)) });
    if (names.length === 0 && /^\d{13}/.test(posix.basename(file)))
      notes.push(`${file} has no class whose name ends in a time.`);
  }
  return await compareLists({
    local: local.sort((one, other) => one.time - other.time),
    applied: rows.flatMap(({ name }) => (name == null ? [] : [{ key: name, name }])),
    ordered: false,
    notes,
  });
}

/** A property `name` wins over the name of the class. */
function classesIn(text: string): string[] {
  const classes = [...text.matchAll(/\bclass\s+([A-Za-z_$][\w$]*)/g)];
  return classes.flatMap((match, index) => {
    const body = text.slice(match.index, classes[index + 1]?.index);
    const stated = /(?:^|[\s{;(])(?:this\.)?name\s*(?::\s*string\s*)?=\s*["'`]([^"'`]+)["'`]/.exec(body)?.[1];
    const name = stated ?? match[1] ?? '';
    return /\d{13}$/.test(name) ? [name] : [];
  });
}
