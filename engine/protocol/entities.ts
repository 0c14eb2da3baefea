/** The things that the engine, the extension, the webviews and the command line talk about. */
import * as z from 'zod';
import {
  checkoutIdSchema,
  cloneIdSchema,
  cloneNameSchema,
  datasetIdSchema,
  environmentNameSchema,
  hostNameSchema,
  installationIdSchema,
  jobIdSchema,
  memberNameSchema,
  snapshotIdSchema,
  snapshotNameSchema,
} from './ids.ts';
import { followSchema } from './workspace.ts';

/** RFC 3339 in UTC with milliseconds, as `Date.prototype.toISOString` writes it. */
export const timeSchema = z.iso.datetime();
const bytesCount = z.number().int().nonnegative();
/** `unshared`: what this object alone occupies (null while unknown); `logical`: its full size as the database sees it. */
export const bytesSchema = z.object({ unshared: bytesCount.nullable(), logical: bytesCount.nullable() });
export type Bytes = z.infer<typeof bytesSchema>;

export const databaseEngineSchema = z.enum(['postgres', 'mongodb']);
export type DatabaseEngine = z.infer<typeof databaseEngineSchema>;
export const retrievalSchema = z.enum(['logical', 'physical', 'dump', 'directory']);
export type Retrieval = z.infer<typeof retrievalSchema>;

export const storageDriverSchema = z.enum(['zfs', 'btrfs', 'reflink', 'copy', 'memory']);
export type StorageDriver = z.infer<typeof storageDriverSchema>;

const other = 'other';
/** Values that newer engines will have more of: a text that is not known here is read as `other`. */
function growing<const Value extends string>(values: readonly Value[]): z.ZodType<Value | typeof other> {
  const known: readonly string[] = [...values, other];
  // The values are written down for who reads without the schemas: those know what to make of another one.
  const read = z
    .string()
    .meta({ enum: known })
    .pipe(z.enum<string[]>([...known]).catch(other));
  return read as unknown as z.ZodType<Value | typeof other>;
}

/** One thing that a host needs or could use. */
export const doctorCheckSchema = z.object({
  name: z.string(),
  /** `unused`: it is not here, and is not needed either. */
  status: z.enum(['ok', 'unused', 'warning', 'problem']),
  message: z.string(),
  /** The exact command that mends it, to be run as it stands. */
  fix: z.string().nullable(),
  /** What else can be done, in a sentence. */
  advice: z.string().nullable().optional(),
});
export type DoctorCheck = z.infer<typeof doctorCheckSchema>;

/** What the login to a host asks a person; the first answer of any client is taken. */
export const hostQuestionSchema = z.object({
  /** Of this question alone. */
  id: z.string(),
  /** `host-key`: whether the key with `fingerprint` is the host's, answered by "yes" alone; `code`: a one-time code; `other`: whatever the host wants. */
  kind: growing(['host-key', 'password', 'passphrase', 'code']),
  /** In the words of ssh or of the host, without control characters. A host that is not trusted may have written it. */
  text: z.string(),
  /** Of a host key: "SHA256:…". */
  fingerprint: z.string().nullable(),
  /** The answer is a secret: it is typed unseen. */
  masked: z.boolean(),
  since: timeSchema,
  /** When it is no longer waited for. */
  until: timeSchema,
});
export type HostQuestion = z.infer<typeof hostQuestionSchema>;

export const hostSchema = z.object({
  name: hostNameSchema,
  kind: growing(['local', 'ssh', 'docker', 'dblab']),
  /**
   * `connecting`: another machine that is being reached for; what it holds is told as it was. `needs-login`: its login asks what only a
   * person can answer, who has to connect it.
   */
  state: z.enum(['ready', 'connecting', 'needs-login', 'unreachable', 'unusable']),
  storage: z
    .object({
      driver: growing(storageDriverSchema.options),
      /** For people: "btrfs, thin" or "full copy". */
      label: z.string(),
      thin: z.boolean(),
      /** A clone answers while it is copied. */
      live: z.boolean().default(false),
      path: z.string(),
      totalBytes: bytesCount,
      freeBytes: bytesCount,
      /** How many times smaller the data lies there than it is; null: the storage does not know. */
      compression: z.number().positive().nullable().default(null),
    })
    .nullable(),
  /** Why the host is not ready, for people. */
  problem: z.string().nullable(),
  /** How another machine is reached; null: it is this one. */
  address: z.string().nullable().default(null),
  /** While `connecting`, for people: "Copying the engine there: 12 of 94 MB". */
  doing: z.string().nullable().default(null),
  unreachableSince: timeSchema.nullable().default(null),
  /** What to do about `problem`, for people. */
  next: z.string().nullable().default(null),
  /** What a login that a person asked for waits for. */
  question: hostQuestionSchema.nullable().default(null),
  /** What was found step by step while a person had it added, connected or examined; more come while that goes on. */
  checks: z.array(doctorCheckSchema).default([]),
  /** A person agreed that passwords of sources go to this other machine, whose engine reads the sources. */
  takesPasswords: z.boolean().default(false),
  /** Of the engine there; null: it does not tell. */
  version: z.string().max(100).nullable().default(null),
  /** Milliseconds there and back, as the link found last. */
  roundTripMs: z.number().nonnegative().nullable().default(null),
});
export type Host = z.infer<typeof hostSchema>;

/** A host of a file that a person said no to; nobody is asked about it again. */
export const declinedHostSchema = z.object({ name: hostNameSchema, address: z.string().min(1).max(1000) });
export type DeclinedHost = z.infer<typeof declinedHostSchema>;

/** How thin clones stand on this machine, and what would make them so. */
export const storageSetUpSchema = z.object({
  /**
   * `thin`: they are, without a set-up. `possible`: the scripts below make them so. `ready`: that was done. `unmounted`: it was done, and
   * the pool file is not mounted now.
   */
  state: growing(['thin', 'possible', 'ready', 'unmounted', 'impossible']),
  /** Why it is impossible, for people, and what would change that. */
  problem: z.string().nullable(),
  fix: z.string().nullable(),
  image: z.string().nullable(),
  mountPoint: z.string().nullable(),
  /** Of the pool file as it is; null: there is none. */
  bytes: bytesCount.nullable(),
  /** As the script makes it. */
  sizeBytes: bytesCount.nullable(),
  /** Scripts that root runs, as they stand. */
  setUp: z.string().nullable(),
  removal: z.string().nullable(),
  /** The engine keeps its datasets in the pool file now. */
  isUsed: z.boolean(),
  /** What the pool file holds, for people: its snapshots, its clones, and files of others. */
  holds: z.array(z.string()),
  /** Snapshots and clones that lie elsewhere than where new ones go, and are moved by `storageMove`. */
  elsewhere: z.array(
    z.object({
      kind: growing(['snapshot', 'clone']),
      id: z.string(),
      name: z.string(),
      bytes: bytesCount,
    }),
  ),
});
export type StorageSetUp = z.infer<typeof storageSetUpSchema>;

/** The authority that signed the certificates of a host's servers and ports. */
export const hostCertificateSchema = z.object({
  /** Where it lies, for programs of this machine. */
  path: z.string(),
  /** PEM. */
  certificate: z.string(),
  validUntil: timeSchema,
});
export type HostCertificate = z.infer<typeof hostCertificateSchema>;

/** What became of the attempts to reach a host: never what was answered. */
export const hostLogLineSchema = z.object({
  at: timeSchema,
  level: z.enum(['info', 'warning']),
  text: z.string(),
});
export type HostLogLine = z.infer<typeof hostLogLineSchema>;

export const secretReferenceSchema = z.union([
  z.strictObject({
    env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable'),
  }),
  z.strictObject({ file: z.string().min(1) }),
]);
export type SecretReference = z.infer<typeof secretReferenceSchema>;

/** A table or schema pattern as pg_dump takes it: no control characters, not an option. */
const selectionName = z
  .string()
  .min(1)
  .max(255)
  .regex(
    /^[^-\u0000-\u001f][^\u0000-\u001f]*$/,
    'a name without control characters that does not start with "-"',
  );
export const selectionSchema = z.strictObject({
  schemas: z.array(selectionName).min(1).optional(),
  tables: z.array(selectionName).min(1).optional(),
  /** Of MongoDB: "collection" or "database.collection", in which `*` stands for anything. */
  collections: z.array(selectionName).min(1).optional(),
});
export type Selection = z.infer<typeof selectionSchema>;
/** An extension goes together with everything that depends on it. */
export const exclusionSchema = selectionSchema.extend({
  extensions: z.array(selectionName).min(1).optional(),
});

/** Where one member's data comes from. `url` never carries a password. */
/** As Docker's command takes it; without a tag it means `latest`. */
export const imageNameSchema = z
  .string()
  .min(1)
  .max(255)
  .regex(
    /^[a-z0-9][a-z0-9._:/-]*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/,
    'the name of an image, such as postgis/postgis:16-3.5',
  );

export const memberDefinitionSchema = z.strictObject({
  engine: databaseEngineSchema,
  retrieval: retrievalSchema,
  url: z.string().max(2000).optional(),
  password: secretReferenceSchema.optional(),
  include: selectionSchema.optional(),
  exclude: exclusionSchema.optional(),
  /** For `directory`: an absolute path of a data directory whose server is stopped. */
  directory: z.string().min(1).max(4096).optional(),
  /** For `dump`: an absolute path of a pg_dump custom file, directory or plain SQL file, also inside gzip or zstd. */
  dump: z.string().min(1).max(4096).optional(),
  /** The database inside the server that people work with; default: the source's own. */
  database: z.string().min(1).max(63).optional(),
  /**
   * The role of the source that people and applications log in to clones as, with its own rights and settings; default: a superuser
   * of the clone's own.
   */
  user: z
    .string()
    .min(1)
    .max(63)
    .regex(
      /^(?!pg_|thin_clone)[^\u0000-\u001f]+$/,
      'a role of the source, neither a built-in one nor one of ours',
    )
    .optional(),
  /** PostgreSQL major version of the copies; default: the source's own. */
  version: z.number().int().min(13).max(18).optional(),
  /** Its servers run from this image, by the Docker Engine of the host: `postgis/postgis:16-3.5`. */
  image: imageNameSchema.optional(),
  /** What an object costs that can't be restored: a warning (the default), or the refresh. Rows that can't always fail it. */
  onRestoreError: z.enum(['fail', 'warn']).optional(),
});
export type MemberDefinition = z.infer<typeof memberDefinitionSchema>;

export const durationPattern = /^([1-9][0-9]{0,5})(m|h|d)$/;
export const cloneSettingsSchema = z.strictObject({
  /** A ready clone that nobody connected to for this long is destroyed, unless protected: `30m`, `24h`, `7d`. */
  idleTtl: z.string().regex(durationPattern, 'a number and m, h or d, e.g. 24h').optional(),
  limit: z.number().int().min(1).max(1000).optional(),
  /** false turns fsync, synchronous_commit and full_page_writes off in clones. Default true. */
  durable: z.boolean().optional(),
  /** What a server may have of the machine's memory, where it runs in an image: `512MB`, `2GB`. */
  memory: z
    .string()
    .regex(/^[1-9][0-9]{0,6}(MB|GB)$/, 'a number and MB or GB, e.g. 2GB')
    .optional(),
  /** How many processors it may keep busy there. */
  cpus: z.number().min(0.1).max(1024).optional(),
});
export type CloneSettings = z.infer<typeof cloneSettingsSchema>;

/** What somebody declares; also one entry of `environments:` in thin-clones.yaml. */
export const environmentDefinitionSchema = z.strictObject({
  host: hostNameSchema.default(hostNameSchema.parse('local')),
  members: z
    .record(memberNameSchema, memberDefinitionSchema)
    .refine((members) => Object.keys(members).length > 0, 'an environment has at least one member')
    .meta({ minProperties: 1 }),
  clones: cloneSettingsSchema.default({}),
});
export type EnvironmentDefinition = z.infer<typeof environmentDefinitionSchema>;

export const environmentSchema = z.object({
  name: environmentNameSchema,
  definition: environmentDefinitionSchema,
  createdAt: timeSchema,
  latestSnapshot: snapshotIdSchema.nullable(),
  /** The refresh that runs now, if one does. */
  refreshJob: jobIdSchema.nullable(),
});
export type Environment = z.infer<typeof environmentSchema>;

/** One thing that a copy has not as its source had it. */
export const differenceSchema = z.object({
  /** "table", "foreign key" ... */
  kind: z.string(),
  object: z.string(),
  /** For people: "is missing", "owner: a instead of b". */
  what: z.string(),
  /** Why that was to be expected, in words; null: nothing explains it. */
  rule: z.string().nullable(),
});
export type Difference = z.infer<typeof differenceSchema>;

/** What came of a source, compared with what was there. */
export const comparisonSchema = z.object({
  /** Objects that were looked for. */
  objects: z.number().int().nonnegative(),
  /** Differences found; the first of them are listed. */
  total: z.number().int().nonnegative(),
  differences: z.array(differenceSchema),
  /** Why not everything could be compared; null: it was. */
  problem: z.string().nullable(),
});
export type Comparison = z.infer<typeof comparisonSchema>;

/** An image that servers run from, as it was when data was made in it. */
export const pinnedImageSchema = z.object({
  /** As somebody wrote it: "postgis/postgis:16-3.5". */
  name: z.string(),
  /** sha256:... of its content. */
  id: z.string(),
  /** By which a registry gives exactly this one again: "postgis/postgis@sha256:..."; null: it came from none. */
  digest: z.string().nullable(),
});
export type PinnedImage = z.infer<typeof pinnedImageSchema>;

export const snapshotMemberSchema = z.object({
  name: memberNameSchema,
  engine: databaseEngineSchema,
  /** Server version of the data, e.g. "18" for PostgreSQL 18. */
  version: z.string(),
  database: z.string(),
  dataset: datasetIdSchema,
  /** That its servers run from; not there: programs of the host. */
  image: pinnedImageSchema.optional(),
  /** Not there: nothing was compared, as of a data directory, which is copied byte by byte. */
  comparison: comparisonSchema.optional(),
});
export type SnapshotMember = z.infer<typeof snapshotMemberSchema>;

/** What somebody writes of a snapshot; answers are not held to it. */
export const snapshotMessageSchema = z.string().min(1).max(1000);

export const snapshotSchema = z.object({
  id: snapshotIdSchema,
  name: snapshotNameSchema,
  environment: environmentNameSchema,
  state: z.enum(['creating', 'ready', 'deleting']),
  /** The moment that the data shows; null until known. */
  dataStateAt: timeSchema.nullable(),
  createdAt: timeSchema,
  createdBy: z.string(),
  /** How far apart in time the members' moments can lie. */
  skewMs: z.number().int().nonnegative(),
  bytes: bytesSchema,
  members: z.array(snapshotMemberSchema),
  /** The clones that stand on it. */
  clones: z.array(cloneIdSchema),
  /** `branch`: the state of another branch's clone when a branch began; it goes with the last clone that stands on it. */
  origin: z.enum(['refresh', 'commit', 'kept', 'branch']),
  message: z.string().nullable(),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

export const cloneStateSchema = z.enum([
  'creating',
  'ready',
  'resetting',
  'committing',
  'destroying',
  'stopping',
  'stopped',
  'failed',
]);
export type CloneState = z.infer<typeof cloneStateSchema>;

export const cloneMemberSchema = z.object({
  name: memberNameSchema,
  engine: databaseEngineSchema,
  host: z.string(),
  port: z.number().int().min(1).max(65535),
  user: z.string(),
  database: z.string(),
  state: z.enum(['starting', 'ready', 'stopped', 'failed']),
  dataset: datasetIdSchema,
  version: z.string(),
  image: pinnedImageSchema.optional(),
});
export type CloneMember = z.infer<typeof cloneMemberSchema>;

export const cloneSchema = z.object({
  id: cloneIdSchema,
  name: cloneNameSchema,
  environment: environmentNameSchema,
  snapshot: snapshotIdSchema,
  state: cloneStateSchema,
  createdAt: timeSchema,
  createdBy: z.string(),
  /** When it was last put back; null if never. */
  resetAt: timeSchema.nullable(),
  /** A time, "forever", or null when not protected. */
  protectedUntil: z.union([timeSchema, z.literal('forever')]).nullable(),
  bytes: bytesSchema,
  members: z.array(cloneMemberSchema),
  /** Git branch that it is bound to, or the pattern of the branches that share it; null: bound to none. */
  branch: z.string().nullable(),
  /** The repository of that branch: real path of the Git directory that all its working trees share. */
  repository: z.string().nullable().default(null),
  /** Whose repository that is, of whoever bound it from another machine; null: of the engine that has the clone. */
  installation: installationIdSchema.nullable().default(null),
  /** Why it is stopped or failed, for people. */
  problem: z.string().nullable(),
  /** The person who stopped it: nothing but a wish to use it starts it again. Null: it runs, or is to. */
  stoppedBy: z.string().nullable().default(null),
});
export type Clone = z.infer<typeof cloneSchema>;

/** What was changed in a clone since its snapshot or its last reset, as far as its servers count that. */
export const cloneChangesSchema = z.object({
  /** `some`: more may have been written just now, or in transactions that are open; `no`: nobody knows. */
  counted: z.enum(['all', 'some', 'no']),
  /** Rows that were written, also by what was rolled back; the tables with most first. */
  tables: z.array(
    z.object({
      member: memberNameSchema,
      database: z.string(),
      schema: z.string(),
      name: z.string(),
      inserted: z.number().int().nonnegative(),
      updated: z.number().int().nonnegative(),
      deleted: z.number().int().nonnegative(),
    }),
  ),
  /** Tables or other definitions were made or changed, perhaps only for a moment. */
  schema: z.boolean(),
});
export type CloneChanges = z.infer<typeof cloneChangesSchema>;

/** A Git operation that is under way in a working tree. */
export const gitOperationSchema = z.enum(['rebase', 'merge', 'cherry-pick', 'revert', 'bisect', 'am']);

/** What HEAD of a working tree says. */
export const headSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('branch'),
    branch: z.string(),
    /** Null before the first commit. */
    commit: z.string().nullable(),
    operation: gitOperationSchema.nullable(),
  }),
  z.object({
    kind: z.literal('detached'),
    commit: z.string(),
    operation: gitOperationSchema.nullable(),
    /** The branch that the operation is on and will return to. */
    branch: z.string().nullable(),
    /** HEAD is always detached here, since another tool moves it; no bookmark stands for a branch. */
    tool: z.literal('jj').optional(),
  }),
  z.object({ kind: z.literal('unreadable'), problem: z.string() }),
]);
export type Head = z.infer<typeof headSchema>;

/** A port of this machine that leads to a member of whichever clone the checkout uses. */
export const endpointSchema = z.object({
  member: memberNameSchema,
  engine: databaseEngineSchema,
  host: z.string(),
  port: z.number().int().min(1).max(65535),
  user: z.string(),
  database: z.string(),
  /** `taken`: another program listens on the port; it is tried again until it is free. */
  state: z.enum(['listening', 'taken']),
});
export type Endpoint = z.infer<typeof endpointSchema>;

/**
 * `off`: it is not followed; `ready`: its ports lead to `clone`; `switching`: they will soon, and connections wait; `asking`: somebody has
 * to say whether the branch gets a clone; `none`: they lead nowhere, and `reason` says why; `failed`: so does it, after an error.
 */
export const checkoutStateSchema = z.enum(['off', 'ready', 'switching', 'asking', 'none', 'failed']);
export type CheckoutState = z.infer<typeof checkoutStateSchema>;

/** One working tree of a Git repository whose database follows its branch. */
export const checkoutSchema = z.object({
  id: checkoutIdSchema,
  /** Real path of its top folder. */
  path: z.string(),
  /** Real path of the Git directory that all working trees of the repository share. */
  repository: z.string(),
  kind: z.enum(['main', 'worktree', 'submodule']),
  /** Null while none is chosen. */
  environment: environmentNameSchema.nullable(),
  follow: followSchema,
  head: headSchema,
  state: checkoutStateSchema,
  /** What the ports lead to, or will: a branch, or the pattern of branches that share a clone. */
  key: z.string().nullable(),
  clone: cloneIdSchema.nullable(),
  /** The job that is waited for. */
  job: jobIdSchema.nullable(),
  /** For people: why it is not `ready`, and what to do. */
  reason: z.string().nullable(),
  next: z.string().nullable(),
  /** While `asking`: what a clone of this branch would start from (`latest`, `current`, a branch). */
  question: z.object({ branch: z.string(), key: z.string(), from: z.string() }).nullable(),
  endpoints: z.array(endpointSchema),
  /** Templates by the names of variables; `expandVariables` in variables.ts gives them values. */
  variables: z.record(z.string(), z.string()),
  /**
   * Templates of its thin-clones.yaml that are not set, because they don't plainly say how to connect to a member: `asking` until a
   * person agrees or not, for all checkouts of the repository.
   */
  heldVariables: z
    .array(z.object({ name: z.string(), value: z.string(), state: z.enum(['asking', 'refused']) }))
    .default([]),
  /** The file of the checkout that carries the variables, relative to `path`. */
  envFile: z
    .object({
      file: z.string(),
      state: z.enum(['written', 'needs-consent', 'failed']),
      problem: z.string().nullable(),
    })
    .nullable(),
  /** What is wrong with the `workspace:` section of its thin-clones.yaml; what stood there before goes on. */
  problem: z.string().nullable(),
  createdBy: z.string(),
  /** When its ports last came to lead elsewhere, and how long after the change of HEAD that was. */
  switchedAt: timeSchema.nullable(),
  switchMs: z.number().nonnegative().nullable(),
});
export type Checkout = z.infer<typeof checkoutSchema>;

/** A clone that nobody seems to need any more. */
export const proposalSchema = z.object({
  clone: cloneIdSchema,
  name: cloneNameSchema,
  environment: environmentNameSchema,
  repository: z.string(),
  branch: z.string(),
  reason: z.enum(['merged', 'deleted', 'remote-deleted', 'worktree-removed']),
  /** Since when that is known. */
  since: timeSchema,
  createdAt: timeSchema,
  createdBy: z.string(),
  isProtected: z.boolean(),
  bytes: bytesSchema,
  /** When it is destroyed without asking; null: never. */
  destroyAt: timeSchema.nullable(),
});
export type Proposal = z.infer<typeof proposalSchema>;

/** How to log in to one member of a clone. The only entity with a password; never in an event. */
export const connectionSchema = z.object({
  name: memberNameSchema,
  engine: databaseEngineSchema,
  host: z.string(),
  port: z.number().int(),
  user: z.string(),
  password: z.string(),
  database: z.string(),
});
export type Connection = z.infer<typeof connectionSchema>;

/** A host that the user's ssh configuration names, and where it leads as far as that is said beside its name. */
export const sshNameSchema = z.object({
  /** Also an address: `ssh://NAME`. */
  name: z.string(),
  hostName: z.string().nullable(),
  user: z.string().nullable(),
  port: z.number().int().nullable(),
});
export type SshName = z.infer<typeof sshNameSchema>;

export const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  next: z.string(),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()),
});
export type ErrorDocument = z.infer<typeof errorSchema>;

export const jobTypeSchema = growing([
  'environment.refresh',
  'environment.delete',
  'snapshot.delete',
  'snapshot.edit',
  'clone.create',
  'clone.reset',
  'clone.destroy',
  'clone.commit',
  'clone.start',
  'clone.stop',
  'clone.bind',
  'clone.rename',
  'storage.move',
]);
export type JobType = z.infer<typeof jobTypeSchema>;
export const jobStateSchema = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);
export type JobState = z.infer<typeof jobStateSchema>;

export const taskSchema = z.object({
  name: z.string(),
  state: z.enum(['pending', 'running', 'succeeded', 'failed', 'undone', 'skipped']),
  /** 0 to 1; null while it can't be known. */
  progress: z.number().min(0).max(1).nullable(),
  /** What it does now, for people: "dumping", "restoring". */
  phase: z.string().optional(),
  startedAt: timeSchema.nullable(),
  endedAt: timeSchema.nullable(),
});
export type Task = z.infer<typeof taskSchema>;

export const jobSchema = z.object({
  id: jobIdSchema,
  type: jobTypeSchema,
  /** For people: "Reset clone feature/a". */
  title: z.string(),
  state: jobStateSchema,
  createdBy: z.string(),
  createdAt: timeSchema,
  startedAt: timeSchema.nullable(),
  endedAt: timeSchema.nullable(),
  progress: z.number().min(0).max(1),
  error: errorSchema.nullable(),
  tasks: z.array(taskSchema),
  environment: environmentNameSchema.nullable(),
  /** The object that it changes or makes. */
  object: z.object({ kind: z.enum(['environment', 'snapshot', 'clone']), id: z.string(), name: z.string() }),
  cancellable: z.boolean(),
});
export type Job = z.infer<typeof jobSchema>;

export const jobLineSchema = z.object({
  job: jobIdSchema,
  /** Rises by one for each line of a job, from 1. */
  line: z.number().int().positive(),
  at: timeSchema,
  task: z.string().nullable(),
  level: z.enum(['info', 'warning', 'error']),
  text: z.string(),
});
export type JobLine = z.infer<typeof jobLineSchema>;

export const engineInfoSchema = z.object({
  name: z.literal('thin-clones'),
  version: z.string(),
  protocol: z.number().int(),
  pid: z.number().int(),
  home: z.string(),
  startedAt: timeSchema,
  uptimeMs: z.number().int().nonnegative(),
  /** `ready`; `blocked` when the state can't be trusted: then every change is refused until it is rebuilt. */
  state: z.enum(['ready', 'blocked']),
  problem: z.string().nullable(),
  storage: z.string().nullable(),
});
export type EngineInfo = z.infer<typeof engineInfoSchema>;

/** What a test of a source found, before it is saved. */
export const sourceReportSchema = z.object({
  ok: z.boolean(),
  error: errorSchema.nullable(),
  serverVersion: z.string().nullable(),
  databases: z.array(z.object({ name: z.string(), bytes: bytesCount })),
  tables: z.array(
    z.object({ schema: z.string(), name: z.string(), bytes: bytesCount, rows: bytesCount.nullable() }),
  ),
  warnings: z.array(z.string()),
});
export type SourceReport = z.infer<typeof sourceReportSchema>;
