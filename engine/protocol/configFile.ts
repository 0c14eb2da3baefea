/** The shape of `thin-clones.yaml`, and its JSON schema for editors. engine/config/ reads it. */
import { wordsOf } from './engineWords.ts';
import * as z from 'zod';
import { environmentDefinitionSchema } from './entities.ts';
import { datasetNameSchema, farPathSchema } from './farPlaces.ts';
import { environmentNameSchema, hostNameSchema } from './ids.ts';
import { workspaceSchema } from './workspace.ts';

/** Parts of the file that are reserved: known words that this version refuses by name. */
export const reservedEnvironmentKeys = {
  parent: 'a parent environment (syncs)',
  snapshots: 'a snapshot schedule',
  retention: 'retention',
  masking: 'masking',
} as const;

/** Another machine of a team. */
export const declaredHostSchema = z.strictObject({
  kind: z.literal('ssh').optional(),
  address: z.string().min(1).max(1000),
  path: farPathSchema.optional(),
  dataset: datasetNameSchema.optional(),
});
export type DeclaredHost = z.output<typeof declaredHostSchema>;

export const configFileSchema = z.strictObject({
  version: z.literal(1),
  hosts: z.record(hostNameSchema, declaredHostSchema).optional(),
  environments: z.record(environmentNameSchema, environmentDefinitionSchema).optional(),
  workspace: workspaceSchema.optional(),
});
export type ConfigFile = z.output<typeof configFileSchema>;

const { key, title, dumpProgram, urlShape } = wordsOf();
const collections = `For ${wordsOf('mongodb').title}: names as "orders" or "shop.orders", in which * stands for anything.`;

/** What editors show beside a key; `*` stands for a name. A list and its entries share one. */
const descriptions: Readonly<Record<string, string>> = {
  version: 'The version of this file: 1.',
  hosts: 'Other machines of a team. Each person is asked before an address is reached for the first time.',
  'hosts.*.kind': 'How it is reached: ssh.',
  'hosts.*.address': 'ssh://[user@]host[:port]; the host may be a name of the ssh configuration.',
  'hosts.*.path': 'Where its engine keeps data: a folder there.',
  'hosts.*.dataset': 'Where its engine keeps data: a dataset of ZFS there.',
  environments: 'Named groups of databases to clone; declared with "thin-clones env apply".',
  'environments.*.host': 'Where the clones live: local (the default), or the name of a host.',
  'environments.*.members': 'The databases, by the name that clones and variables know them by.',
  'environments.*.members.*.engine': `The database engine: ${key} or ${wordsOf('mongodb').key}.`,
  'environments.*.members.*.retrieval': `How the data comes: logical (${dumpProgram} from a URL), dump (a file of ${dumpProgram}), directory (of a stopped server).`,
  'environments.*.members.*.url': `For logical: ${urlShape}, never with a password.`,
  'environments.*.members.*.password':
    'Where the password is: { env: NAME } or { file: PATH }. Without it, it is asked for once.',
  'environments.*.members.*.include': `Only these schemas and tables, as patterns of ${dumpProgram}.`,
  'environments.*.members.*.exclude': `Without these schemas, tables and extensions, as patterns of ${dumpProgram}; what depends on an extension goes with it.`,
  'environments.*.members.*.include.collections': collections,
  'environments.*.members.*.exclude.collections': collections,
  'environments.*.members.*.exclude.extensions':
    'Without these extensions, and without the tables, views and functions that depend on them. Not for plain SQL dumps.',
  'environments.*.members.*.directory': `For directory: the data directory of a ${title} server that is stopped.`,
  'environments.*.members.*.dump': `For dump: a file or directory of ${dumpProgram}, or SQL; also inside gzip or zstd.`,
  'environments.*.members.*.database': 'The database that people work with, if it is not that of the URL.',
  'environments.*.members.*.user':
    'The role of the source that applications connect to clones as, with its own rights. Default: a superuser.',
  'environments.*.members.*.version': `${title} major version of the copies, if not the source's.`,
  'environments.*.members.*.image':
    'Servers run from this image of a Docker Engine: postgis/postgis:16-3.5. A person is asked first.',
  'environments.*.members.*.onRestoreError':
    'What an object that cannot be restored costs: warn (the default), or fail. Rows that cannot always fail.',
  'environments.*.clones': 'Settings of all clones of this environment.',
  'environments.*.clones.idleTtl':
    'A clone that nobody connected to for this long is destroyed, unless protected: 30m, 24h, 7d.',
  'environments.*.clones.limit': 'At most so many clones at a time.',
  'environments.*.clones.durable': 'false turns fsync off in clones. Default: true.',
  'environments.*.clones.memory':
    'What the server of a clone may have of the memory, where it runs in an image: 512MB, 2GB.',
  'environments.*.clones.cpus': 'How many processors it may keep busy there.',
  workspace: 'What a checkout of this repository uses.',
  'workspace.environment':
    'The environment whose clones the branches get. Not needed when there is only one.',
  'workspace.follow':
    'At a checkout of a branch without a clone: off (nothing happens), ask (the default), automatic (one is made).',
  'workspace.variables':
    'Environment variables and their values, in which {member.url} stands for a connection URL; also host, port, user, password, database, jdbc. {{ is a brace. Default: DATABASE_URL for one member, NAME_URL for several.',
  'workspace.envFile':
    'A file of the checkout, such as .env, in which a marked block of the variables is kept right. Never written while Git tracks it, unless somebody agreed.',
  'workspace.branches':
    'Which branches get clones, and where those start. In patterns * stands for anything but /, ** for anything.',
  'workspace.branches.shared': 'All branches that match one of these patterns share one clone.',
  'workspace.branches.never': 'Branches that match one of these patterns never get a clone.',
  'workspace.branches.from':
    "Where the clone of a branch that matches starts: latest (the newest snapshot; the default), current (the clone in use before), or a branch's name.",
  'workspace.branches.cleanUpAfter':
    'Clones of merged and deleted branches are destroyed after this long, without asking: 12h, 7d. Without it, never.',
  'workspace.endpoint': 'What the stable ports of a checkout do.',
  'workspace.endpoint.onSwitch':
    'Transactions that are open when the database is switched: close (the default) ends them, drain lets them end by themselves first. New connections go to the new clone at once either way.',
  'workspace.endpoint.drainFor': 'For drain: how long they may take, 1s to 60s. Default: 5s.',
  'workspace.migrations':
    'How migrations are found, where the files of the checkout do not say it: one tool, or a list of them.',
  'workspace.migrations.tool': 'The tool that applies them; sql for numbered SQL files.',
  'workspace.migrations.member': 'Whose database is compared, when there are several.',
  'workspace.migrations.directory':
    'The folder of the files; for Django that of manage.py, for Liquibase what its paths are relative to.',
  'workspace.migrations.changelog': "Liquibase's root changelog.",
  'workspace.migrations.table': 'The table of applied migrations.',
  'workspace.migrations.schema': 'The schema of that table.',
  'workspace.migrations.column':
    "For sql: the column with the file's name, or with the number that it begins with.",
  'workspace.migrations.checksumColumn':
    'For sql: the column with the MD5, SHA-1 or SHA-256 of the file, in hexadecimal.',
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function describe(schema: unknown, path: readonly string[]): unknown {
  if (!isObject(schema)) return schema;
  const { properties, additionalProperties, items, anyOf } = schema;
  const description = descriptions[path.join('.')];
  return {
    ...(description === undefined ? {} : { description }),
    ...schema,
    ...(isObject(properties)
      ? {
          properties: Object.fromEntries(
            Object.entries(properties).map(([key, value]) => [key, describe(value, [...path, key])]),
          ),
        }
      : {}),
    ...(isObject(additionalProperties)
      ? { additionalProperties: describe(additionalProperties, [...path, '*']) }
      : {}),
    ...(isObject(items) ? { items: describe(items, path) } : {}),
    ...(Array.isArray(anyOf) ? { anyOf: anyOf.map((each: unknown) => describe(each, path)) } : {}),
  };
}

/** JSON schema 2020-12 of the file. */
export function configFileJsonSchema(): Record<string, unknown> {
  const described = describe(z.toJSONSchema(configFileSchema, { io: 'input', unrepresentable: 'any' }), []);
  return {
    title: 'thin-clones.yaml',
    ...(isObject(described) ? described : {}),
    anyOf: [{ required: ['environments'] }, { required: ['workspace'] }],
  };
}
