/** What is said about migrations: how a checkout's are found, and whether a database matches them. */
import * as z from 'zod';
import { memberNameSchema } from './ids.ts';
import { migrationTools } from './migrationTools.ts';

export const migrationToolSchema = z.enum(migrationTools);

const pathInCheckout = z
  .string()
  .min(1)
  .max(1000)
  .regex(
    /^(?![/\\~])(?!.*(^|[/\\])\.\.([/\\]|$))[^\u0000-\u001f\u007f:]+$/,
    'a path inside the checkout, e.g. db/migrations',
  );
/** PostgreSQL keeps 63 bytes of a name. */
const nameInDatabase = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[^\u0000-\u001f\u007f]+$/, 'a name without control characters');

/** One entry of `workspace.migrations` in thin-clones.yaml. What it leaves out is found from the files of the checkout. */
export const migrationSettingsSchema = z.strictObject({
  tool: migrationToolSchema.optional(),
  /** Whose database is compared; needed only when several members could be meant. */
  member: memberNameSchema.optional(),
  /** The folder of the migration files; for Django the folder of `manage.py`, for Liquibase what its paths are relative to. */
  directory: pathInCheckout.optional(),
  /** The file that a tool begins with, where it has one: Liquibase's root changelog. */
  changelog: pathInCheckout.optional(),
  /** The table of applied migrations, and its schema. */
  table: nameInDatabase.optional(),
  schema: nameInDatabase.optional(),
  /** For `sql`: the column that holds the file's name, or the number that it begins with. */
  column: nameInDatabase.optional(),
  /** For `sql`: the column that holds MD5, SHA-1 or SHA-256 of the file, in hexadecimal. */
  checksumColumn: nameInDatabase.optional(),
});
export type MigrationSettings = z.infer<typeof migrationSettingsSchema>;

/**
 * The database, seen from the checkout. `behind`: the checkout has migrations that the database lacks; `ahead`: the database has
 * applied some that the checkout lacks; `diverged`: both, or one that its tool does not apply any more since later ones are, or one that
 * failed; `edited`: the file of an applied one was changed since; `unknown`: `problem` says why it can't be told.
 */
export const migrationStateSchema = z.enum(['in-step', 'ahead', 'behind', 'diverged', 'edited', 'unknown']);
export type MigrationState = z.infer<typeof migrationStateSchema>;

/** `file` is relative to the checkout, with `/`. */
export const migrationFileSchema = z.object({ name: z.string(), file: z.string() });
export type MigrationFile = z.infer<typeof migrationFileSchema>;

/** How far one tool's migrations and one member's database agree. */
export const migrationReportSchema = z.object({
  /** Null when it can't be told whose database is meant. */
  member: memberNameSchema.nullable(),
  /** Null when none was recognised, or several that nothing tells apart. */
  tool: migrationToolSchema.nullable(),
  /** The folder of the migration files, relative to the checkout with `/`; `.` is the checkout itself. */
  directory: z.string().nullable(),
  /** The table of applied migrations, with its schema: `public._prisma_migrations`. */
  table: z.string().nullable(),
  state: migrationStateSchema,
  /** In the checkout and not in the database, in the order in which the tool would apply them. */
  pending: z.array(migrationFileSchema),
  /** In the database and not in the checkout. */
  missing: z.array(z.object({ name: z.string() })),
  /** Applied, and changed since. */
  edited: z.array(migrationFileSchema),
  /** Began and did not end well, as the tool's own table says; the tool itself refuses to go on. */
  failed: z.array(z.object({ name: z.string(), file: z.string().nullable(), problem: z.string() })),
  /** Pending ones that come before an applied one: a reason for `diverged` with tools that keep an order, else of no matter. */
  outOfOrder: z.array(migrationFileSchema),
  counts: z.object({
    /** Migrations in the checkout. */
    files: z.number().int().nonnegative(),
    /** Applied ones in the database. */
    applied: z.number().int().nonnegative(),
    pending: z.number().int().nonnegative(),
    missing: z.number().int().nonnegative(),
    edited: z.number().int().nonnegative(),
    failed: z.number().int().nonnegative(),
  }),
  /** What people read: the tool, how it stands, and what to do. */
  message: z.string(),
  /** Why the state is `unknown`; else what could not be taken into account, such as unreadable files; null when nothing. */
  problem: z.string().nullable(),
});
export type MigrationReport = z.infer<typeof migrationReportSchema>;
