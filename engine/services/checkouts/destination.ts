/** Where all ports of a checkout lead, and what each member's port is there: a server, a login and a database. */
import { userOf } from '../../domain/naming.ts';
import type { EndpointTarget } from '../../endpoint/endpoint.ts';
import type { MemberName } from '../../protocol/ids.ts';
import type { Clone } from '../../protocol/entities.ts';
import type { ServiceContext } from '../context.ts';
import type { HostClones, UsedEnvironment, WayTo } from './hostClones.ts';

/** A clone, and how it is reached from here. */
export interface Reached {
  clone: Clone;
  way: WayTo;
  /** What people call it. */
  name: string;
}

export type Destination =
  ({ kind: 'clone' } & Reached) | Extract<EndpointTarget, { kind: 'waiting' | 'none' }>;

/** The clone's member, once there is a clone and it has that member. */
function memberAt(destination: Destination, member: MemberName): Clone['members'][number] | undefined {
  return destination.kind === 'clone'
    ? destination.clone.members.find(({ name }) => name === member)
    : undefined;
}

export function targetOf(destination: Destination, member: MemberName): EndpointTarget {
  if (destination.kind !== 'clone') return destination;
  const { clone, way, name } = destination;
  const found = memberAt(destination, member);
  const port = found && way.portOf(found);
  if (port === undefined) {
    const reason = `Clone ${name} has no member ${member}: it was made before that was added.`;
    return { kind: 'none', reason, next: `Reset it to the latest snapshot.` };
  }
  return { kind: 'clone', clone: clone.id, name, port, ...(way.far && { far: way.far }) };
}

/** Who may log in there; before there is a clone, whom a new one would let in. */
export function userAt(
  destination: Destination,
  environment: UsedEnvironment | undefined,
  member: MemberName,
): string {
  return memberAt(destination, member)?.user ?? userOf(environment?.definition.members[member]);
}

/** As the clone has it; before there is one, as the latest snapshot has it. */
export function databaseAt(
  { databases }: Pick<ServiceContext, 'databases'>,
  at: HostClones,
  destination: Destination,
  environment: UsedEnvironment | undefined,
  member: MemberName,
): string {
  if (environment === undefined) return '';
  const { name, definition } = environment;
  const holders = [
    destination.kind === 'clone' ? destination.clone : undefined,
    at.latestSnapshot(name),
    ...at.clones().filter((clone) => clone.environment === name),
  ];
  for (const holder of holders) {
    const found = holder?.members.find((each) => each.name === member);
    if (found !== undefined) return found.database;
  }
  const declared = definition.members[member];
  if (declared === undefined) return '';
  return declared.database ?? databases[declared.engine]?.source.defaultDatabase ?? '';
}
