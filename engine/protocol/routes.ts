/** Every request that the engine answers: one table for the server's validation, the typed client and the OpenAPI page. */
import * as z from 'zod';
import {
  checkoutSchema,
  cloneChangesSchema,
  cloneSchema,
  connectionSchema,
  declinedHostSchema,
  doctorCheckSchema,
  engineInfoSchema,
  environmentDefinitionSchema,
  imageNameSchema,
  environmentSchema,
  hostCertificateSchema,
  hostLogLineSchema,
  hostSchema,
  jobLineSchema,
  jobSchema,
  memberDefinitionSchema,
  proposalSchema,
  snapshotMessageSchema,
  snapshotSchema,
  sourceReportSchema,
  sshNameSchema,
  storageSetUpSchema,
} from './entities.ts';
import { overviewSchema } from './events.ts';
import { datasetNameSchema, farPathSchema } from './farPlaces.ts';
import {
  cloneNameSchema,
  environmentNameSchema,
  hostNameSchema,
  installationIdSchema,
  memberNameSchema,
  referenceSchema,
  snapshotNameSchema,
} from './ids.ts';
import { migrationReportSchema } from './migrationReport.ts';
import { branchPatternSchema, followSchema, startFromSchema } from './workspace.ts';

export interface Route {
  name: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `:name` parameters, percent-encoded on the wire. */
  path: string;
  summary: string;
  params: z.ZodObject;
  query: z.ZodObject;
  body: z.ZodObject;
  response: z.ZodType;
}

// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- a route without fields really has none
type NoFields = {};

const route = <
  const Name extends string,
  Params extends z.ZodRawShape = NoFields,
  Query extends z.ZodRawShape = NoFields,
  Body extends z.ZodRawShape = NoFields,
  Response extends z.ZodType = z.ZodType,
>(
  name: Name,
  method: Route['method'],
  path: string,
  summary: string,
  shape: { params?: Params; query?: Query; body?: Body; response: Response },
) => ({
  name,
  method,
  path,
  summary,
  params: z.strictObject(shape.params ?? ({} as Params)),
  query: z.strictObject(shape.query ?? ({} as Query)),
  body: z.strictObject(shape.body ?? ({} as Body)),
  response: shape.response,
});

const items = <Item extends z.ZodType>(item: Item) => z.object({ items: z.array(item) });
const jobAnswer = z.object({ job: jobSchema });
/** Passwords by member name, kept in memory for this request alone unless `remember` is true. */
const passwords = z.record(memberNameSchema, z.string().max(1000)).optional();
/** Somebody is there who answers what the login asks (`question` of the host); default: what would need an answer fails. */
const questions = z.boolean().optional();
const host = { host: referenceSchema };
/** A branch, or the pattern of branches that share a clone, of a repository on the machine of an installation. */
const bindingSchema = z.strictObject({
  installation: installationIdSchema,
  repository: z.string().min(1).max(4096),
  branch: z.string().min(1).max(4096),
});
/** What a clone's roles log in with: one for all clones of a repository, so that nothing changes on a switch. */
const clonePassword = z.string().min(1).max(1000);
const clone = { clone: referenceSchema };
const snapshot = { snapshot: referenceSchema };
const environment = { environment: referenceSchema };
const checkout = { checkout: referenceSchema };

export const routes = {
  engineInfo: route('engineInfo', 'GET', '/v1/engine', 'Version, process and storage of the engine.', {
    response: engineInfoSchema,
  }),
  engineStop: route('engineStop', 'POST', '/v1/engine/stop', 'Stop the engine; clones go on.', {
    /** `working`: refused with `busy` while a job runs; without it, running jobs are undone and end as interrupted. */
    query: { unless: z.literal('working').optional() },
    response: z.object({ stopping: z.literal(true) }),
  }),
  engineRebuild: route(
    'engineRebuild',
    'POST',
    '/v1/engine/rebuild',
    'Set a state that cannot be trusted aside and read everything again from the tags on the data.',
    {
      response: z.object({
        snapshots: z.number().int(),
        clones: z.number().int(),
        keptAs: z.string().nullable(),
      }),
    },
  ),
  overview: route('overview', 'GET', '/v1/overview', 'Everything at one moment.', {
    response: overviewSchema,
  }),
  storageShow: route(
    'storageShow',
    'GET',
    '/v1/storage',
    'How thin clones stand on this machine, and the scripts that would change it.',
    {
      query: {
        /** Of the pool file; default: most of the room that the disk has. */
        bytes: z
          .string()
          .regex(/^\d{1,16}$/)
          .optional(),
      },
      response: storageSetUpSchema,
    },
  ),
  storageMove: route(
    'storageMove',
    'POST',
    '/v1/storage/move',
    'Move a snapshot or a clone to where new ones go; a clone is stopped while that lasts.',
    { body: { kind: z.enum(['snapshot', 'clone']), object: referenceSchema }, response: jobAnswer },
  ),
  hostList: route('hostList', 'GET', '/v1/hosts', 'Where clones live.', {
    response: items(hostSchema),
  }),
  hostShow: route('hostShow', 'GET', '/v1/hosts/:host', 'One host.', {
    params: host,
    response: hostSchema,
  }),
  hostDoctor: route(
    'hostDoctor',
    'GET',
    '/v1/hosts/:host/doctor',
    'What is missing, and what to do about it; of another machine also what is found on the way there, which its `checks` tell meanwhile.',
    {
      params: host,
      /** As `questions` of a body. */
      query: { questions: z.literal('yes').optional() },
      response: items(doctorCheckSchema),
    },
  ),
  hostAdd: route('hostAdd', 'POST', '/v1/hosts', 'Join another machine, which is reached by a login there.', {
    body: {
      name: hostNameSchema,
      /** `ssh://[user@]host[:port]`; the host may be a name of the user's ssh configuration. */
      address: z.string().min(1).max(1000),
      questions,
      /** Where its engine keeps data, one of the two: a folder there, or a dataset of ZFS. */
      path: farPathSchema.optional(),
      dataset: datasetNameSchema.optional(),
    },
    response: hostSchema,
  }),
  hostReconnect: route(
    'hostReconnect',
    'POST',
    '/v1/hosts/:host/reconnect',
    'Reach another machine now, whatever was waited for; as it is when it is connected.',
    { params: host, body: { questions }, response: hostSchema },
  ),
  hostAnswer: route('hostAnswer', 'POST', '/v1/hosts/:host/answer', 'Answer what its login asks.', {
    params: host,
    body: {
      /** The id of the question, so that an answer that comes late is not taken for another's. */
      question: z.string().min(1).max(100),
      /** Kept nowhere. Null: nobody answers it, and the login is given up. */
      reply: z.string().max(10_000).nullable(),
    },
    response: hostSchema,
  }),
  hostLog: route(
    'hostLog',
    'GET',
    '/v1/hosts/:host/log',
    'What became of the latest attempts to reach another machine, oldest first.',
    { params: host, response: items(hostLogLineSchema) },
  ),
  hostPasswords: route(
    'hostPasswords',
    'PUT',
    '/v1/hosts/:host/passwords',
    'Keep whether a person agreed that passwords of sources go to another machine, whose engine reads the sources.',
    { params: host, body: { allow: z.boolean() }, response: hostSchema },
  ),
  hostDeclinedList: route(
    'hostDeclinedList',
    'GET',
    '/v1/declined-hosts',
    'The hosts of files that a person said no to.',
    { response: items(declinedHostSchema) },
  ),
  hostDecline: route(
    'hostDecline',
    'PUT',
    '/v1/declined-hosts',
    'Keep that a person said no to a host of a file; who adds it says yes.',
    { body: declinedHostSchema.shape, response: items(declinedHostSchema) },
  ),
  hostRemove: route(
    'hostRemove',
    'DELETE',
    '/v1/hosts/:host',
    'Forget another machine; what is there goes on.',
    {
      params: host,
      /** `yes`: also what was brought there goes; refused while its engine has environments, snapshots or clones. */
      query: {
        uninstall: z.literal('yes').optional(),
        /** As `questions` of a body: of the login that takes it away. */
        questions: z.literal('yes').optional(),
      },
      /** `left`: paths there that are not ours, and stay. */
      response: z.object({ forgotten: z.literal(true), left: z.array(z.string()).optional() }),
    },
  ),
  hostCertificate: route(
    'hostCertificate',
    'GET',
    '/v1/hosts/:host/certificate',
    'The authority that clients trust to know servers and ports of this host over TLS.',
    { params: host, response: hostCertificateSchema },
  ),

  sshNameList: route(
    'sshNameList',
    'GET',
    '/v1/ssh/names',
    "The hosts that the user's ssh configuration names: addresses to choose from.",
    { response: items(sshNameSchema) },
  ),

  environmentList: route('environmentList', 'GET', '/v1/environments', 'All environments.', {
    response: items(environmentSchema),
  }),
  environmentShow: route('environmentShow', 'GET', '/v1/environments/:environment', 'One environment.', {
    params: environment,
    response: environmentSchema,
  }),
  environmentApply: route(
    'environmentApply',
    'PUT',
    '/v1/environments/:name',
    'Declare an environment: made when new, changed when different, nothing when the same.',
    {
      params: { name: environmentNameSchema },
      body: {
        ...{ definition: environmentDefinitionSchema, passwords, remember: z.boolean().optional() },
        /** Images of the definition that a person agreed to run servers from. */
        images: z.array(imageNameSchema).max(100).optional(),
      },
      response: z.object({
        environment: environmentSchema,
        outcome: z.enum(['created', 'changed', 'unchanged']),
      }),
    },
  ),
  environmentDelete: route(
    'environmentDelete',
    'DELETE',
    '/v1/environments/:environment',
    'Delete an environment and its snapshots; refused while it has clones.',
    { params: environment, response: jobAnswer },
  ),
  environmentRefresh: route(
    'environmentRefresh',
    'POST',
    '/v1/environments/:environment/refresh',
    'Retrieve the data of all members and make a new snapshot; existing clones stay as they are.',
    {
      params: environment,
      body: {
        name: snapshotNameSchema.optional(),
        passwords,
        /** Queued behind what works on the environment, instead of being refused as busy. */
        waits: z.boolean().optional(),
      },
      response: jobAnswer,
    },
  ),
  sourceTest: route('sourceTest', 'POST', '/v1/sources/test', 'Try a source before it is saved.', {
    body: {
      member: memberDefinitionSchema,
      password: z.string().max(1000).optional(),
      /** Whose engine would read it; default: this machine's. */
      host: hostNameSchema.optional(),
    },
    response: sourceReportSchema,
  }),

  snapshotList: route('snapshotList', 'GET', '/v1/snapshots', 'Snapshots, newest first.', {
    query: { environment: referenceSchema.optional() },
    response: items(snapshotSchema),
  }),
  snapshotShow: route('snapshotShow', 'GET', '/v1/snapshots/:snapshot', 'One snapshot.', {
    params: snapshot,
    response: snapshotSchema,
  }),
  snapshotEdit: route(
    'snapshotEdit',
    'PATCH',
    '/v1/snapshots/:snapshot',
    'Change what a snapshot is called and what is written of it.',
    {
      params: snapshot,
      body: {
        /** Default: as it is. */
        name: snapshotNameSchema.optional(),
        /** Default: as it is; null: none. */
        message: snapshotMessageSchema.nullable().optional(),
      },
      response: jobAnswer,
    },
  ),
  snapshotDelete: route('snapshotDelete', 'DELETE', '/v1/snapshots/:snapshot', 'Delete a snapshot.', {
    params: snapshot,
    response: jobAnswer,
  }),

  cloneList: route('cloneList', 'GET', '/v1/clones', 'Clones, newest first.', {
    query: { environment: referenceSchema.optional() },
    response: items(cloneSchema),
  }),
  cloneShow: route('cloneShow', 'GET', '/v1/clones/:clone', 'One clone.', {
    params: clone,
    response: cloneSchema,
  }),
  cloneConnection: route('cloneConnection', 'GET', '/v1/clones/:clone/connection', 'How to log in.', {
    params: clone,
    response: items(connectionSchema),
  }),
  cloneChanges: route(
    'cloneChanges',
    'GET',
    '/v1/clones/:clone/changes',
    'Which rows were written since its snapshot, or since its last reset.',
    { params: clone, response: cloneChangesSchema },
  ),
  cloneDefinitions: route(
    'cloneDefinitions',
    'GET',
    '/v1/clones/:clone/definitions',
    'What the databases of a clone define: tables, functions and the like, as SQL.',
    {
      params: clone,
      response: items(z.object({ member: memberNameSchema, database: z.string(), text: z.string() })),
    },
  ),
  cloneRead: route(
    'cloneRead',
    'POST',
    '/v1/clones/:clone/read',
    "Run SELECTs in a member's database, in one transaction that can't write and ends by itself after seconds.",
    {
      params: clone,
      body: {
        member: memberNameSchema,
        /** Names with their schema: only ordinary tables are read. */
        statements: z
          .array(
            z.strictObject({
              text: z.string().min(1).max(100_000),
              values: z.array(z.union([z.string(), z.array(z.string())])).optional(),
            }),
          )
          .min(1)
          .max(100),
      },
      /** Rows of each statement, as the server writes their values. */
      response: items(z.array(z.record(z.string(), z.string().nullable()))),
    },
  ),
  cloneCreate: route('cloneCreate', 'POST', '/v1/clones', 'Make a clone of a snapshot.', {
    body: {
      environment: referenceSchema,
      /** Default: the newest ready one. */
      snapshot: referenceSchema.optional(),
      /** Default: a free `clone-N`. */
      name: cloneNameSchema.optional(),
      /** The branch that it is made for. Default: none. */
      binding: bindingSchema.optional(),
      /** Default: one of its own. */
      password: clonePassword.optional(),
    },
    response: jobAnswer,
  }),
  cloneBind: route('cloneBind', 'PUT', '/v1/clones/:clone/binding', 'Bind a clone to a branch.', {
    params: clone,
    body: {
      /** Null: to none. */
      binding: bindingSchema.nullable(),
      /** Default: as it is. */
      password: clonePassword.optional(),
    },
    response: jobAnswer,
  }),
  cloneCopy: route('cloneCopy', 'POST', '/v1/clones/:clone/copies', 'Make a clone of a clone as it is.', {
    params: clone,
    body: {
      /** Default: a free `clone-N`. */
      name: cloneNameSchema.optional(),
    },
    response: jobAnswer,
  }),
  cloneReset: route('cloneReset', 'POST', '/v1/clones/:clone/reset', 'Put a clone back to a snapshot.', {
    params: clone,
    body: {
      /** A snapshot, or "latest"; default: the one that it stands on. */
      snapshot: referenceSchema.optional(),
      /** Keep the present state as a snapshot of this name first. */
      keepAs: snapshotNameSchema.optional(),
    },
    response: jobAnswer,
  }),
  cloneStart: route(
    'cloneStart',
    'POST',
    '/v1/clones/:clone/start',
    'Start the servers of a stopped clone.',
    {
      params: clone,
      response: jobAnswer,
    },
  ),
  cloneStop: route(
    'cloneStop',
    'POST',
    '/v1/clones/:clone/stop',
    'Stop the servers of a clone; its data stays, and it is not started until somebody wants it.',
    { params: clone, response: jobAnswer },
  ),
  cloneDestroy: route('cloneDestroy', 'DELETE', '/v1/clones/:clone', 'Destroy a clone and its data.', {
    params: clone,
    response: jobAnswer,
  }),
  cloneProtect: route('cloneProtect', 'PUT', '/v1/clones/:clone/protection', 'Protect a clone, or stop.', {
    params: clone,
    body: {
      /** Minutes from now, "forever", or null for no protection. */
      minutes: z.union([z.number().int().min(1).max(5_256_000), z.literal('forever')]).nullable(),
    },
    response: cloneSchema,
  }),
  cloneRename: route('cloneRename', 'PUT', '/v1/clones/:clone/name', 'Rename a clone.', {
    params: clone,
    body: { name: cloneNameSchema },
    response: jobAnswer,
  }),
  cloneCommit: route(
    'cloneCommit',
    'POST',
    '/v1/clones/:clone/commit',
    'Make a snapshot of a clone as it is.',
    {
      params: clone,
      body: {
        message: snapshotMessageSchema,
        name: snapshotNameSchema.optional(),
        /** `branch`: for another branch to start from; it goes with the last clone that stands on it. */
        origin: z.enum(['commit', 'branch']).optional(),
      },
      response: jobAnswer,
    },
  ),

  checkoutList: route('checkoutList', 'GET', '/v1/checkouts', 'Working trees that are followed.', {
    response: items(checkoutSchema),
  }),
  checkoutOpen: route(
    'checkoutOpen',
    'PUT',
    '/v1/checkouts',
    'Follow the working tree that contains a folder, or look at it again now.',
    {
      body: {
        /** Absolute. */
        folder: z.string().min(1).max(4096),
        /** Default: what was chosen before, else what thin-clones.yaml says, else the only one that there is. */
        environment: referenceSchema.optional(),
        /** What the person chose; default: what was chosen before, else what thin-clones.yaml says, else `ask`. Null: what was chosen before is taken back. */
        follow: followSchema.nullable().optional(),
      },
      response: checkoutSchema,
    },
  ),
  checkoutShow: route('checkoutShow', 'GET', '/v1/checkouts/:checkout', 'One working tree.', {
    params: checkout,
    response: checkoutSchema,
  }),
  checkoutForget: route(
    'checkoutForget',
    'DELETE',
    '/v1/checkouts/:checkout',
    'Follow a working tree no longer and close its ports; its clones stay.',
    { params: checkout, response: z.object({ forgotten: z.literal(true) }) },
  ),
  checkoutConnection: route(
    'checkoutConnection',
    'GET',
    '/v1/checkouts/:checkout/connection',
    'How to log in through its ports: the same on every branch.',
    { params: checkout, response: items(connectionSchema) },
  ),
  checkoutUse: route(
    'checkoutUse',
    'POST',
    '/v1/checkouts/:checkout/use',
    "Lead its ports to the present branch's clone, which is made or started when needed; with `clone`, bind that one to the branch.",
    {
      params: checkout,
      body: {
        clone: referenceSchema.optional(),
        /** For a clone that has to be made: `latest`, `current` or a branch. */
        from: startFromSchema.optional(),
      },
      response: z.object({ checkout: checkoutSchema, job: jobSchema.nullable() }),
    },
  ),
  checkoutUnbind: route(
    'checkoutUnbind',
    'DELETE',
    '/v1/checkouts/:checkout/use',
    'Take the clone off the present branch; the clone stays, and the branch gets no other until it is asked for.',
    { params: checkout, response: checkoutSchema },
  ),
  checkoutAnswer: route(
    'checkoutAnswer',
    'POST',
    '/v1/checkouts/:checkout/answer',
    'Answer whether the branch that it asks about gets a clone.',
    {
      params: checkout,
      body: {
        /** The branch of the question, so that an answer that comes late is not taken for another's. */
        branch: z.string().min(1).max(4096),
        answer: z.enum(['create', 'none']),
        from: startFromSchema.optional(),
        /** `once`; for this branch; for branches like `pattern`; for the whole working tree (`automatic` or `off`). */
        remember: z.enum(['once', 'branch', 'pattern', 'workspace']).optional(),
        pattern: branchPatternSchema.optional(),
      },
      response: checkoutSchema,
    },
  ),
  checkoutPorts: route(
    'checkoutPorts',
    'POST',
    '/v1/checkouts/:checkout/ports',
    'Give it other ports in place of those that another program took.',
    { params: checkout, response: checkoutSchema },
  ),
  checkoutEnvFile: route(
    'checkoutEnvFile',
    'PUT',
    '/v1/checkouts/:checkout/env-file',
    'Keep the variables in a marked block of a file of the working tree; null takes the block out again.',
    {
      params: checkout,
      body: {
        /** Relative to the working tree. */
        file: z.string().min(1).max(1000).nullable(),
        /** The person agreed that the file is tracked by Git, and that the password will stand in it. */
        allowTracked: z.boolean().optional(),
      },
      response: checkoutSchema,
    },
  ),
  checkoutVariable: route(
    'checkoutVariable',
    'PUT',
    '/v1/checkouts/:checkout/variables',
    'Say whether a variable of its thin-clones.yaml that is no plain connection is set, in all checkouts of the repository.',
    {
      params: checkout,
      body: {
        name: z.string().min(1).max(200),
        /** The template that was agreed to, as the file has it: another one is asked about anew. */
        value: z.string().max(4000),
        answer: z.enum(['allow', 'refuse']),
      },
      response: checkoutSchema,
    },
  ),
  checkoutMigrations: route(
    'checkoutMigrations',
    'GET',
    '/v1/checkouts/:checkout/migrations',
    'Whether the databases of its clone match the migration files of the working tree.',
    { params: checkout, response: items(migrationReportSchema) },
  ),
  proposalList: route(
    'proposalList',
    'GET',
    '/v1/proposals',
    'Clones of merged or deleted branches and of removed working trees.',
    { response: items(proposalSchema) },
  ),

  jobList: route('jobList', 'GET', '/v1/jobs', 'Jobs, newest first.', {
    query: { limit: z.coerce.number().int().min(1).max(1000).optional() },
    response: items(jobSchema),
  }),
  jobShow: route('jobShow', 'GET', '/v1/jobs/:job', 'One job.', {
    params: { job: referenceSchema },
    response: jobSchema,
  }),
  jobLines: route('jobLines', 'GET', '/v1/jobs/:job/lines', 'Log lines of a job, at most 5000 at once.', {
    params: { job: referenceSchema },
    query: { after: z.coerce.number().int().nonnegative().optional() },
    response: items(jobLineSchema),
  }),
  jobCancel: route('jobCancel', 'POST', '/v1/jobs/:job/cancel', 'Cancel a job; what it did is undone.', {
    params: { job: referenceSchema },
    response: jobSchema,
  }),
} as const satisfies Record<string, Route>;

export type Routes = typeof routes;
export type RouteName = keyof Routes;
