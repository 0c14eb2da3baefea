/** What one checkout leads to: leads its ports together, measures the switch, and tells what people see. */
import { drainMs } from '../../domain/draining.ts';
import { notLookedAt, type Lead, type Situation } from '../../domain/leading.ts';
import type { Checkout } from '../../protocol/entities.ts';
import type { Workspace } from '../../protocol/workspace.ts';
import type { ServiceContext } from '../context.ts';
import type { Reached } from './destination.ts';
import type { Hosts } from './hosts.ts';
import type { CheckoutPorts } from './ports.ts';
import type { CheckoutRow } from './row.ts';

export interface CheckoutSituation {
  now(): Situation;
  /** `reached`: the clone that a lead to one means. */
  lead(lead: Lead, reached?: Reached): void;
  /** The job that makes the clone which is waited for. */
  tellJob(job: Situation['job']): void;
  /** Monotonic time at which HEAD moved for the switch that is under way. */
  since(): number | undefined;
  headMovedAt(since: number): void;
  /** When the database was switched last, and how long after HEAD moved, in milliseconds. */
  switched(): Pick<Checkout, 'switchedAt' | 'switchMs'>;
}

export function createCheckoutSituation(
  { clock }: Pick<ServiceContext, 'clock'>,
  hosts: Pick<Hosts, 'holding'>,
  row: CheckoutRow,
  ports: Pick<CheckoutPorts, 'lead'>,
  workspace: () => Workspace | undefined,
): CheckoutSituation {
  let situation = notLookedAt;
  let switchedAt: string | null = null;
  let switchMs: number | null = null;
  let since: number | undefined;
  return {
    now: () => situation,
    lead({ situation: next, to }, reached) {
      const isElsewhere = next.clone !== situation.clone || next.state !== situation.state;
      const notice =
        to.kind === 'none'
          ? `leads nowhere now: ${to.reason}`
          : `now leads to the database of ${next.key ?? 'no branch'}; connect again`;
      const destination = to.kind === 'clone' ? leadsTo(reached) : to;
      const { state, clone: before } = situation;
      const left = state === 'ready' && before !== null ? hosts.holding(before)?.clone : undefined;
      const patience = drainMs(workspace()?.endpoint, left, next.clone);
      ports.lead(destination, `The checkout ${row.read().path} ${notice}`, patience);
      situation = next;
      if (next.state === 'ready' && isElsewhere) {
        switchedAt = clock.now().toISOString();
        switchMs = since === undefined ? null : Math.round((clock.monotonic() - since) * 10) / 10;
      }
      if (next.state !== 'switching') since = undefined;
      if (next.state === 'ready' && next.clone !== row.read().last) row.change({ last: next.clone });
    },
    tellJob(job) {
      situation = { ...situation, job };
    },
    since: () => since,
    headMovedAt(at) {
      since = at;
    },
    switched: () => ({ switchedAt, switchMs }),
  };
}

function leadsTo(reached: Reached | undefined): { kind: 'clone' } & Reached {
  if (reached === undefined) throw new Error('a lead to a clone needs the clone');
  return { kind: 'clone', ...reached };
}
