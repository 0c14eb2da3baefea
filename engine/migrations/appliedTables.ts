/** Asks a member's database which tables of applied migrations it has, and what stands in them. */
import type { Catalogue, Row, Statement } from '../database/database.ts';
import type { MemberName } from '../protocol/ids.ts';

/** One member's database, as far as this needs it. */
export interface MemberDatabase {
  readonly member: MemberName;
  /** Why it can't be read just now, for people; null when it can. */
  readonly problem: string | null;
  readonly catalogue: Catalogue;
  read(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]>;
}

export interface AppliedTable {
  readonly schema: string;
  readonly name: string;
  readonly columns: ReadonlySet<string>;
}

/** Twenty years of a migration a day, several times over. */
export const MAX_ROWS = 50_000;

export interface FoundTables {
  tables: readonly AppliedTable[];
  /** Whether there is any other table: then a missing one may just have another name. */
  isEmpty: boolean;
}

export async function findTables(database: MemberDatabase, names: readonly string[]): Promise<FoundTables> {
  const { catalogue } = database;
  const [columns = [], others = []] = await database.read([
    catalogue.columnsOf(names),
    catalogue.anyOther(names),
  ]);
  const tables = Map.groupBy(columns, ({ schema, name }) => JSON.stringify([schema, name]));
  return {
    tables: [...tables.values()].map((rows) => ({
      schema: rows[0]?.['schema'] ?? '',
      name: rows[0]?.['name'] ?? '',
      columns: new Set(rows.flatMap(({ column }) => column ?? [])),
    })),
    isEmpty: others.length === 0,
  };
}

/** One row more than is looked at, so that it shows when there are too many. */
export const rowsOf = (
  { catalogue }: MemberDatabase,
  table: AppliedTable,
  wanted: readonly string[],
): Statement =>
  catalogue.rows(
    table,
    wanted.filter((column) => table.columns.has(column)),
    MAX_ROWS + 1,
  );
