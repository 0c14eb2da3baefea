/** The engine's state: an index and a history in SQLite, which the tags on the data can replace. */
import * as z from 'zod';
import {
  cloneSchema,
  environmentDefinitionSchema,
  jobLineSchema,
  jobSchema,
  snapshotSchema,
  timeSchema,
  type JobLine,
} from '../protocol/entities.ts';
import {
  cloneIdSchema,
  environmentNameSchema,
  memberNameSchema,
  type CloneId,
  type EnvironmentName,
  type JobId,
  type SnapshotId,
} from '../protocol/ids.ts';

export const environmentRecordSchema = z.object({
  name: environmentNameSchema,
  definition: environmentDefinitionSchema,
  createdAt: timeSchema,
  /** Remembered source passwords by member, sealed with the installation's key. */
  sealedPasswords: z.record(memberNameSchema, z.string()),
});
export type EnvironmentRecord = z.infer<typeof environmentRecordSchema>;

/** A snapshot without what follows from other records. */
export const snapshotRecordSchema = snapshotSchema.omit({ clones: true });
export type SnapshotRecord = z.infer<typeof snapshotRecordSchema>;

export const cloneRecordSchema = cloneSchema.extend({
  id: cloneIdSchema,
  /** Rises with each reset. */
  generation: z.number().int().nonnegative(),
  sealedPassword: z.string(),
  /** When a client connection was last seen, for the idle time-to-live. */
  usedAt: timeSchema,
});
export type CloneRecord = z.infer<typeof cloneRecordSchema>;

export const laneSchema = z.object({ key: z.string(), mode: z.enum(['shared', 'exclusive']) });
export type Lane = z.infer<typeof laneSchema>;

/** A job with its journal: `input` never changes, `data` is what the steps have learned so far. */
export const jobRecordSchema = jobSchema.omit({ progress: true, cancellable: true }).extend({
  lanes: z.array(laneSchema),
  /** Two requests with the same text, unfinished, are one job. */
  fingerprint: z.string(),
  idempotencyKey: z.string().nullable(),
  input: z.record(z.string(), z.unknown()),
  data: z.record(z.string(), z.unknown()),
  /** True from the step on after which the job is finished forward, never undone. */
  committed: z.boolean(),
});
export type JobRecord = z.infer<typeof jobRecordSchema>;

export interface Store {
  /** Everything inside becomes durable together, or nothing does. Not nestable. */
  transaction<Value>(change: () => Value): Value;
  environments: {
    list(): EnvironmentRecord[];
    get(name: EnvironmentName): EnvironmentRecord | undefined;
    put(record: EnvironmentRecord): void;
    remove(name: EnvironmentName): void;
  };
  snapshots: {
    /** Newest first. */
    list(): SnapshotRecord[];
    get(id: SnapshotId): SnapshotRecord | undefined;
    put(record: SnapshotRecord): void;
    remove(id: SnapshotId): void;
  };
  clones: {
    /** Newest first. */
    list(): CloneRecord[];
    get(id: CloneId): CloneRecord | undefined;
    /** Rejects a second clone of one name. */
    put(record: CloneRecord): void;
    remove(id: CloneId): void;
  };
  jobs: {
    /** Newest first. */
    list(limit: number): JobRecord[];
    unfinished(): JobRecord[];
    get(id: JobId): JobRecord | undefined;
    byIdempotencyKey(key: string): JobRecord | undefined;
    put(record: JobRecord): void;
    addLine(line: JobLine): void;
    lastLine(id: JobId): number;
    lines(id: JobId, after: number, limit: number): JobLine[];
    /** Forgets finished jobs beyond the newest `keep`, with their lines. */
    prune(keep: number): JobId[];
  };
  close(): void;
}

export const storedLineSchema = jobLineSchema;
