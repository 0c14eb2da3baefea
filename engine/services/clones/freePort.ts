/** Ports for the servers of clones: leased ones that nobody else has, and others when a stranger was faster. */
import type { PortLease } from '../../machine/machine.ts';
import { isFailure } from '../../protocol/errors.ts';
import type { ServiceContext } from '../context.ts';

/** Retries a start on other ports while strangers take the leased ones; a fixed port is never exchanged. */
export async function withFreePort<Value>(
  context: ServiceContext,
  first: PortLease,
  start: (lease: PortLease) => Promise<Value>,
): Promise<Value> {
  let lease = first;
  for (let tries = 1; ; tries++) {
    try {
      return await start(lease);
    } catch (error) {
      if (!isFailure(error, 'port_taken') || tries === 3) throw error;
    } finally {
      await lease.release();
    }
    lease = await leaseFreePort(context);
  }
}

/** A port that no clone and no checkout has: that of a stopped clone is free for the operating system, and still not ours to give away. */
export async function leaseFreePort(context: ServiceContext): Promise<PortLease> {
  const refused: PortLease[] = [];
  try {
    for (;;) {
      const lease = await context.machine.leasePort();
      const { clones, checkouts } = context.store;
      const taken =
        clones.list().some(({ members }) => members.some(({ port }) => port === lease.port)) ||
        checkouts.list().some(({ ports }) => ports.some(({ port }) => port === lease.port));
      if (!taken) return lease;
      // Held meanwhile, so that the next one is another.
      refused.push(lease);
    }
  } finally {
    for (const lease of refused) await lease.release();
  }
}
