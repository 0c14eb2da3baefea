/** The hosts that a person added, in a file of the home: they are nobody's data, and outlive a lost state. */
import * as z from 'zod';
import type { KeptText } from '../process/keptText.ts';
import { fail } from '../protocol/errors.ts';
import { datasetNameSchema, farPathSchema } from '../protocol/farPlaces.ts';
import { hostNameSchema, type HostName } from '../protocol/ids.ts';
import { isMemberName } from '../protocol/names.ts';

const knownHostSchema = z.strictObject({
  name: hostNameSchema,
  kind: z.literal('ssh'),
  /** As it was typed: `ssh://[user@]host[:port]`. */
  address: z.string().min(1).max(1000),
  /** Where its engine keeps data: a folder there, or a dataset of ZFS. Default: what its engine chooses. */
  path: farPathSchema.optional(),
  dataset: datasetNameSchema.optional(),
  /** A person agreed that passwords of sources go there. */
  takesPasswords: z.boolean().optional(),
  /** RFC 3339. */
  addedAt: z.iso.datetime(),
});
export type KnownHost = z.infer<typeof knownHostSchema>;

const fileSchema = z.strictObject({ format: z.literal(1), hosts: z.array(knownHostSchema) });

export interface KnownHosts {
  list(): readonly KnownHost[];
  /** Errors: `name_taken`, `invalid_request`, for a host that can't be added. */
  check(host: KnownHost): void;
  /** Errors: as `check`. */
  add(host: KnownHost): Promise<void>;
  /** Replaces what is known of one. */
  change(host: KnownHost): Promise<void>;
  remove(name: HostName): Promise<void>;
}

const local = hostNameSchema.parse('local');

/** In place of a file that can't be understood: none are known, and none is added or forgotten before it is mended. */
export function noKnownHosts(problem: unknown): KnownHosts {
  const refuse = (): never => {
    throw problem;
  };
  return {
    list: () => [],
    check: refuse,
    add: async () => refuse(),
    change: async () => refuse(),
    remove: async () => refuse(),
  };
}

/** Errors: `invalid_file`, when somebody wrote there what can't be understood; nothing is forgotten then. */
export async function openKnownHosts(file: KeptText, path: string): Promise<KnownHosts> {
  let hosts = parse(await file.read(), path);
  const save = async (next: readonly KnownHost[]): Promise<void> => {
    await file.write(`${JSON.stringify({ format: 1, hosts: next }, undefined, 2)}\n`);
    hosts = next;
  };
  const check = ({ name }: KnownHost): void => {
    if (name === local || hosts.some((host) => host.name === name))
      throw fail('name_taken', { kind: 'host', name });
    // What belongs to it is called HOST/NAME.
    if (!isMemberName(name))
      throw fail('invalid_request', { problems: ['name: the name of a host has no "/"'] });
  };
  return {
    list: () => hosts,
    check,
    async add(host) {
      check(host);
      await save([...hosts, host]);
    },
    change: (host) => save(hosts.map((each) => (each.name === host.name ? host : each))),
    remove: (name) => save(hosts.filter((host) => host.name !== name)),
  };
}

function parse(text: string | undefined, path: string): readonly KnownHost[] {
  if (text === undefined) return [];
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw fail('invalid_file', { file: path, problems: ['it is not JSON'] }, { cause: error });
  }
  const parsed = fileSchema.safeParse(document);
  if (!parsed.success) throw fail('invalid_file', { file: path, problems: [z.prettifyError(parsed.error)] });
  return parsed.data.hosts;
}
