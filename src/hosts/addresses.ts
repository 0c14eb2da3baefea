/** Reads what people type and choose when they add a host: addresses, and the names of their ssh configuration. */
import type { Host, SshName } from '../../engine/protocol/entities.ts';
import { toFailure } from '../../engine/protocol/errors.ts';
import { datasetNameSchema, farPathSchema } from '../../engine/protocol/farPlaces.ts';
import { nearestName } from '../../engine/protocol/names.ts';
import { formatSshAddress, parseSshAddress } from '../../engine/protocol/sshAddress.ts';

export type ReadAddress =
  | { readonly ok: true; /** One way to write it. */ readonly address: string; readonly host: string }
  | { readonly ok: false; /** "It begins with a dash." */ readonly problem: string; readonly next: string };

/** What the engine would refuse is refused while it is typed, by the same reader. */
export function readAddress(text: string): ReadAddress {
  try {
    const read = parseSshAddress(text.trim());
    return { ok: true, address: formatSshAddress(read), host: read.host };
  } catch (error) {
    const { message, next, details } = toFailure(error).document;
    const { problem } = details;
    const reason = typeof problem === 'string' ? problem : message;
    return { ok: false, problem: `${reason.slice(0, 1).toUpperCase()}${reason.slice(1)}.`, next };
  }
}

/** Where the engine there keeps its data: a folder, a dataset of ZFS, or what it finds best. */
export interface FarPlace {
  readonly path?: string;
  readonly dataset?: string;
}

/** Nothing typed is a choice too. */
export function readPlace(text: string): FarPlace | { readonly problem: string } {
  const place = text.trim();
  if (place === '') return {};
  const isPath = place.startsWith('/');
  const read = (isPath ? farPathSchema : datasetNameSchema).safeParse(place);
  if (read.success) return isPath ? { path: place } : { dataset: place };
  return {
    problem: `Not ${read.error.issues[0]?.message ?? 'a place'}. Type a folder from / on, or a dataset of ZFS such as tank/thin.`,
  };
}

export interface AddressChoice {
  readonly label: string;
  readonly description: string;
  readonly address: string;
  readonly host: string;
}

/** "me@10.0.0.7, port 2222": where a name of the configuration leads, as far as that is said. */
const leadsTo = ({ name, hostName, user, port }: SshName): string =>
  [
    `${user === null ? '' : `${user}@`}${hostName ?? (user === null ? '' : name)}`,
    port === null ? '' : `port ${port}`,
  ]
    .filter((part) => part !== '')
    .join(', ');

/** The names that lead to no host that is joined already. */
export function configuredChoices(
  names: readonly SshName[],
  hosts: Iterable<Pick<Host, 'address'>>,
): AddressChoice[] {
  const joined = new Set([...hosts].map(({ address }) => address));
  return names.flatMap((each) => {
    const read = readAddress(`ssh://${each.name}`);
    return read.ok && !joined.has(read.address)
      ? [{ label: each.name, description: leadsTo(each), address: read.address, host: each.name }]
      : [];
  });
}

/** "store" for store.example.org, free among those that are taken. */
export function proposedName(host: string, taken: ReadonlySet<string>): string {
  const isName = /[a-z]/i.test(host) && !host.includes(':');
  const base = nearestName((isName ? host.split('.')[0] : host)?.replaceAll('/', '-') ?? '') ?? 'host';
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(name)) return name;
  }
}
