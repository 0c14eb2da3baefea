/** A checkout and its databases in memory: files by path, tables by `schema.name`. */
import type { Row, Statement } from '../../../engine/database/database.ts';
import type { MemberDatabase } from '../../../engine/migrations/appliedTables.ts';
import { compareMigrations } from '../../../engine/migrations/compareMigrations.ts';
import type { WorkingFiles } from '../../../engine/migrations/workingFiles.ts';
import { memberNameSchema } from '../../../engine/protocol/ids.ts';
import {
  migrationReportSchema,
  migrationSettingsSchema,
  type MigrationReport,
} from '../../../engine/protocol/migrationReport.ts';
import { postgresCatalogue } from '../../../engine/database/postgres/catalogue.ts';

export type Files = Readonly<Record<string, string | Uint8Array>>;
export type Tables = Readonly<Record<string, readonly Row[]>>;

export interface Question {
  files: Files;
  /** Of the one member `main`. */
  tables?: Tables;
  /** Columns of tables without rows, or beside those of the rows. */
  columns?: Readonly<Record<string, readonly string[]>>;
  /** Instead of `tables`: by member; a text says why it can't be read. */
  members?: Readonly<Record<string, Tables | string>>;
  settings?: readonly object[];
}

export function inMemory(files: Files): WorkingFiles {
  return {
    list: async () => ({ paths: Object.keys(files), notFollowed: [], truncated: false }),
    async read(path) {
      const content = files[path];
      if (content === undefined) throw new Error('there is no such file');
      return typeof content === 'string' ? Buffer.from(content) : content;
    },
  };
}

export async function reports(question: Question): Promise<MigrationReport[]> {
  const { files, tables = {}, columns = {}, members = { main: tables }, settings } = question;
  const found = await compareMigrations({
    files: inMemory(files),
    databases: Object.entries(members).map(([name, content]) => memberDatabase(name, content, columns)),
    settings: settings?.map((each) => migrationSettingsSchema.parse(each)),
  });
  return found.map((report) => migrationReportSchema.parse(report));
}

/** For questions that have one answer. */
export async function report(question: Question): Promise<MigrationReport> {
  const [only, ...more] = await reports(question);
  if (only === undefined || more.length > 0)
    throw new Error(`${more.length + 1} reports: ${JSON.stringify(more)}`);
  return only;
}

function memberDatabase(
  name: string,
  content: Tables | string,
  columns: Readonly<Record<string, readonly string[]>>,
): MemberDatabase {
  const tables = typeof content === 'string' ? {} : content;
  const columnsOf = (table: string): string[] => [
    ...new Set([...(columns[table] ?? []), ...(tables[table] ?? []).flatMap((row) => Object.keys(row))]),
  ];
  const answer = ({ text, values = [] }: Statement): readonly Row[] => {
    const names = values[0] ?? [];
    const tableNames = Object.keys(tables).map((table) => table.split('.') as [string, string]);
    if (text.includes('pg_attribute'))
      return tableNames
        .filter(([, table]) => names.includes(table))
        .sort(([one], [other]) => Number(other === 'public') - Number(one === 'public'))
        .flatMap(([schema, table]) =>
          columnsOf(`${schema}.${table}`).map((column) => ({ schema, name: table, column })),
        );
    if (text.includes('pg_class'))
      return tableNames.some(([, table]) => !names.includes(table)) ? [{ found: '1' }] : [];
    const [, schema = '', table = ''] = /FROM ONLY "(.+)"\."(.+)" LIMIT/.exec(text) ?? [];
    const selected = [...(/SELECT (.*) FROM/.exec(text)?.[1] ?? '').matchAll(/"([^"]+)"/g)].map(
      ([, each]) => each ?? '',
    );
    return (tables[`${schema}.${table}`] ?? []).map((row) =>
      Object.fromEntries(selected.map((column) => [column, row[column] ?? null])),
    );
  };
  return {
    member: memberNameSchema.parse(name),
    problem: typeof content === 'string' ? content : null,
    catalogue: postgresCatalogue,
    read: async (statements) => statements.map(answer),
  };
}

export const names = (items: readonly { name: string }[]): string[] => items.map(({ name }) => name);
