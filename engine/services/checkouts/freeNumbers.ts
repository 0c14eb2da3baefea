/** Which numbers a new port of a checkout may get: they follow from what it is for, and are nobody's yet. */
import { portsFor } from '../../domain/ports.ts';
import type { CheckoutId, MemberName } from '../../protocol/ids.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';
import type { UsedEnvironment } from './hostClones.ts';

export interface NumberRequest {
  checkout: CheckoutRecord;
  /** The one that the checkout uses now. */
  environment: UsedEnvironment | undefined;
  member: MemberName;
  /** Those that the checkout holds now. */
  held: readonly number[];
}

/** The first is the best; whether anything listens there is seen by opening it. */
export function freeNumbers(
  { store }: Pick<ServiceContext, 'store'>,
  { checkout, environment, member, held }: NumberRequest,
): Iterable<number> {
  /** Members that this checkout has no more leave their ports: after the state is lost nobody would know of them. */
  const isUsed = (id: CheckoutId, name: MemberName): boolean =>
    id !== checkout.id || environment?.definition.members[name] !== undefined;
  const ofCheckouts = store.checkouts
    .list()
    .flatMap(({ id, ports }) => ports.filter((each) => isUsed(id, each.member)))
    .map(({ port }) => port);
  const ofClones = store.clones.list().flatMap(({ members }) => members.map(({ port }) => port));
  // Not of the environment, which may change under an address: after the state is lost only the last one would be known.
  return portsFor(`${checkout.path}\n${member}`, new Set([...ofCheckouts, ...ofClones, ...held]));
}
