/** The engine's state: an index and a history in SQLite, which the tags on the data can replace. */
import * as z from 'zod';
import {
  checkoutSchema,
  cloneSchema,
  environmentDefinitionSchema,
  jobLineSchema,
  jobSchema,
  proposalSchema,
  snapshotSchema,
  timeSchema,
  type JobLine,
} from '../protocol/entities.ts';
import {
  cloneIdSchema,
  environmentNameSchema,
  memberNameSchema,
  type CheckoutId,
  type CloneId,
  type EnvironmentName,
  type JobId,
  type SnapshotId,
} from '../protocol/ids.ts';
import { followSchema } from '../protocol/workspace.ts';

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
  /** Up to when the time of its protection and of its grace period has counted; null: nothing was to be counted. */
  countedAt: timeSchema.nullable().default(null),
  /** The linked working tree where it was last in use. */
  worktree: z.string().nullable().default(null),
  /** Since when its branch is merged or gone, for the grace period before it is cleaned up. */
  finished: z
    .object({ branch: z.string(), reason: proposalSchema.shape.reason, since: timeSchema })
    .nullable()
    .default(null),
});
export type CloneRecord = z.infer<typeof cloneRecordSchema>;

/** What is remembered of a checkout; what it shows besides follows from Git and from what happens. */
export const checkoutRecordSchema = checkoutSchema
  .pick({ id: true, path: true, repository: true, kind: true, environment: true, createdBy: true })
  .extend({
    createdAt: timeSchema,
    /** What a person chose; null: as thin-clones.yaml says. */
    follow: followSchema.nullable(),
    /** `pattern` may be the name of a branch, however long that is. */
    answers: z.array(z.object({ pattern: z.string().min(1), answer: z.enum(['clone', 'none']) })),
    ports: z.array(z.object({ member: memberNameSchema, port: z.number().int().min(1).max(65535) })),
    /** The password of all clones that its ports may lead to. */
    sealedPassword: z.string(),
    envFile: z.object({ file: z.string(), allowTracked: z.boolean() }).nullable(),
    /**
     * A clone that somebody chose, whatever the branch: while HEAD stays at this branch or commit; null: while the
     * checkout is not followed.
     */
    chosen: z.object({ clone: cloneIdSchema, head: z.string().nullable() }).nullable(),
    /** The clone that its ports led to last, for branches that start from it. */
    last: cloneIdSchema.nullable().default(null),
    /** The environment that it was used with while nothing said which: other environments that come later change nothing. */
    usedEnvironment: environmentNameSchema.nullable().default(null),
    /** What was said of variables of the repository's file; the same in all checkouts of it. The last one counts. */
    variableAnswers: z
      .array(z.object({ name: z.string(), value: z.string(), answer: z.enum(['allow', 'refuse']) }))
      .default([]),
  });
export type CheckoutRecord = z.infer<typeof checkoutRecordSchema>;

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
  /** False while it waits for its lanes: it has changed nothing, and its end changes nothing. */
  begun: z.boolean().default(true),
  /** How much each task counts in the progress of the whole; without it all count the same. */
  weights: z.array(z.number().positive()).optional(),
  /** Rises with each write: what tells afterwards whether a write that failed was carried out. */
  revision: z.number().int().nonnegative().default(0),
});
export type JobRecord = z.infer<typeof jobRecordSchema>;

/** What a client names a request by, so that asking twice has one effect. */
export interface IdempotencyKey {
  key: string;
  /** Tells this request from all others, without what it holds of secrets. */
  request: string;
}

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
  checkouts: {
    /** By path. */
    list(): CheckoutRecord[];
    get(id: CheckoutId): CheckoutRecord | undefined;
    /** Rejects a second record of one path. */
    put(record: CheckoutRecord): void;
    remove(id: CheckoutId): void;
  };
  jobs: {
    /** Newest first. */
    list(limit: number): JobRecord[];
    unfinished(): JobRecord[];
    get(id: JobId): JobRecord | undefined;
    /** What a request with this key led to. `request` is null for a key of a version that did not keep it. */
    byIdempotencyKey(key: string): { job: JobRecord; request: string | null } | undefined;
    /** The key belongs to this request and job from now on, as long as the job is known. Rejects a key that is known already. */
    keepKey(key: IdempotencyKey, job: JobId): void;
    put(record: JobRecord): void;
    addLine(line: JobLine): void;
    lastLine(id: JobId): number;
    lines(id: JobId, after: number, limit: number): JobLine[];
    /** Forgets finished jobs beyond the newest `keep`, but for the spared ones, with their lines and keys. */
    prune(keep: number, spared?: readonly JobId[]): JobId[];
  };
  close(): void;
}

export const storedLineSchema = jobLineSchema;
