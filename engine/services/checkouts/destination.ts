/** Where all ports of a checkout lead, and what each member's port is there: a server, a login and a database. */
import { userOf } from '../../domain/naming.ts';
import type { EndpointTarget } from '../../endpoint/endpoint.ts';
import type { MemberName } from '../../protocol/ids.ts';
import type { CloneRecord, EnvironmentRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';

export type Destination =
  { kind: 'clone'; clone: CloneRecord } | Extract<EndpointTarget, { kind: 'waiting' | 'none' }>;

/** The clone's member, once there is a clone and it has that member. */
function memberAt(destination: Destination, member: MemberName): CloneRecord['members'][number] | undefined {
  return destination.kind === 'clone'
    ? destination.clone.members.find(({ name }) => name === member)
    : undefined;
}

export function targetOf(destination: Destination, member: MemberName): EndpointTarget {
  if (destination.kind !== 'clone') return destination;
  const { clone } = destination;
  const found = memberAt(destination, member);
  if (found === undefined) {
    const reason = `Clone ${clone.name} has no member ${member}: it was made before that was added.`;
    return { kind: 'none', reason, next: `Reset it to the latest snapshot.` };
  }
  return { kind: 'clone', clone: clone.id, name: clone.name, port: found.port };
}

/** Who may log in there; before there is a clone, whom a new one would let in. */
export function userAt(
  destination: Destination,
  environment: EnvironmentRecord | undefined,
  member: MemberName,
): string {
  return memberAt(destination, member)?.user ?? userOf(environment?.definition.members[member]);
}

/** As the clone has it; before there is one, as the latest snapshot has it. */
export function databaseAt(
  { store, catalog, databases }: Pick<ServiceContext, 'store' | 'catalog' | 'databases'>,
  destination: Destination,
  environment: EnvironmentRecord | undefined,
  member: MemberName,
): string {
  if (environment === undefined) return '';
  const { name, definition } = environment;
  const holders = [
    destination.kind === 'clone' ? destination.clone : undefined,
    catalog.latestSnapshot(name),
    ...store.clones.list().filter((clone) => clone.environment === name),
  ];
  for (const holder of holders) {
    const found = holder?.members.find((each) => each.name === member);
    if (found !== undefined) return found.database;
  }
  const declared = definition.members[member];
  if (declared === undefined) return '';
  return declared.database ?? databases[declared.engine]?.source.defaultDatabase ?? '';
}
