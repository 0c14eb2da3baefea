/** What a tool's module says of a checkout: where its migrations lie, which table tells what was applied, and how the two compare. */
import type { Row } from '../database/database.ts';
import type { MigrationFile, MigrationSettings } from '../protocol/migrationReport.ts';
import type { MigrationTool } from '../protocol/migrationTools.ts';
import type { Tree } from './tree.ts';

/** What speaks for a tool: somebody said so, its own configuration or a dependency is there, or files look like its migrations. */
export type Evidence = 'settings' | 'configuration' | 'files';

export interface TableColumns {
  /** A table without one of these is another tool's. */
  readonly needed: readonly string[];
  /** Read where they are. */
  readonly wanted?: readonly string[];
  /** A table with one of these is another tool's. */
  readonly foreign?: readonly string[];
}

export interface Layout {
  readonly tool: MigrationTool;
  /** Of the migration files; `.` is the checkout. */
  readonly directory: string;
  readonly evidence: Evidence;
  readonly table: {
    /** The first is the tool's own today, or what the project's configuration says. */
    readonly names: readonly string[];
    /** Undefined where the configuration does not say: then it is looked for everywhere. */
    readonly schema: string | undefined;
    readonly columns: TableColumns;
  };
  /** Why the tool may read more than was found, each a sentence without its end: then a database is not told to be in step. */
  readonly unread?: readonly string[];
  /** The tool's lock, which tells a run that broke off. */
  readonly lock?: { readonly name: string; readonly columns: readonly string[] };
  /** `lock`: rows of the lock table beside the table, none when there is none. */
  compare(rows: readonly Row[], lock: readonly Row[]): Promise<Comparison>;
}

export interface Comparison {
  /** Migrations in the checkout, and applied ones in the database. */
  readonly files: number;
  readonly applied: number;
  /** Applied ones that the checkout has: tells which of several databases or folders belong together. */
  readonly shared: number;
  readonly pending: readonly MigrationFile[];
  readonly missing: readonly { name: string }[];
  readonly edited: readonly MigrationFile[];
  readonly failed: readonly { name: string; file: string | null; problem: string }[];
  readonly outOfOrder: readonly MigrationFile[];
  /** The tool refuses (or silently leaves out) pending ones that come before applied ones. */
  readonly ordered: boolean;
  /** What could not be taken into account, in sentences. */
  readonly notes: readonly string[];
  /** As of a layout, found while comparing. */
  readonly unread?: readonly string[];
  /** Nothing can be told, and why. */
  readonly problem?: string;
}

export interface ToolModule {
  readonly tool: MigrationTool;
  /** For people: the files by which it is recognised. */
  readonly lookedFor: string;
  /** For people: the command that applies what is pending. */
  readonly applyWith: string;
  /** Settings narrow the search: with `directory`, what lies there is taken for this tool's. */
  find(tree: Tree, settings: MigrationSettings): Promise<readonly Layout[]>;
}
