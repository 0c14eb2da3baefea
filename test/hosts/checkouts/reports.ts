/** What an engine says of checkouts and clones, in the order in which it came, with the time at which it was heard. */
import assert from 'node:assert/strict';
import type { Client } from '../../../engine/protocol/client.ts';
import type { Checkout } from '../../../engine/protocol/entities.ts';
import type { CheckoutId, CloneId } from '../../../engine/protocol/ids.ts';

/** Far more than anything takes on a busy machine. */
const PATIENCE_MS = 60_000;

export interface Report {
  /** Milliseconds of `performance.now()`. */
  at: number;
  checkout: Checkout;
}

export interface Reports {
  of(checkout: CheckoutId): readonly Report[];
  latest(checkout: CheckoutId): Checkout | undefined;
  /** Whose data it is or was. */
  cloneOf(dataset: string): CloneId | undefined;
  /** Resolves with the checkout as soon as the latest word of it is so. */
  until(checkout: CheckoutId, what: string, is: (checkout: Checkout) => boolean): Promise<Checkout>;
  close(): Promise<void>;
}

/** Listens from now on. */
export async function hearReports(client: Client): Promise<Reports> {
  const { epoch, seq, checkouts, clones } = await client.call('overview', {});
  const stop = new AbortController();
  const reports = new Map<CheckoutId, Report[]>();
  const datasets = new Map<string, CloneId>();
  const listeners = new Set<() => void>();
  let broken: unknown;

  const note = (checkout: Checkout): void => {
    const list = reports.get(checkout.id) ?? [];
    list.push({ at: performance.now(), checkout });
    reports.set(checkout.id, list);
  };
  const noteClone = ({ id, members }: { id: CloneId; members: readonly { dataset: string }[] }): void => {
    for (const { dataset } of members) datasets.set(dataset, id);
  };
  const tell = (): void => {
    for (const listener of [...listeners]) listener();
  };
  checkouts.forEach(note);
  clones.forEach(noteClone);
  const listening = (async () => {
    for await (const event of client.events({ epoch, seq }, stop.signal)) {
      if (event.kind === 'resync') throw new Error('The engine lost its place in the events.');
      if (event.kind === 'checkout') note(event.entity);
      if (event.kind === 'clone') noteClone(event.entity);
      if (event.kind === 'checkout') tell();
    }
  })().catch((error: unknown) => {
    if (stop.signal.aborted) return;
    broken = error;
    tell();
  });

  const latest: Reports['latest'] = (id) => reports.get(id)?.at(-1)?.checkout;
  return {
    of: (id) => reports.get(id) ?? [],
    latest,
    cloneOf: (dataset) => datasets.get(dataset),
    until: (id, what, is) =>
      new Promise<Checkout>((resolve, reject) => {
        const finish = (end: () => void): void => {
          clearTimeout(timer);
          listeners.delete(look);
          end();
        };
        const look = (): void => {
          const found = latest(id);
          if (broken !== undefined) finish(() => reject(new Error('no more events', { cause: broken })));
          else if (found !== undefined && is(found)) finish(() => resolve(found));
        };
        const timer = setTimeout(() => {
          finish(() =>
            reject(new Error(`${what} was waited for, and there is ${JSON.stringify(latest(id))}`)),
          );
        }, PATIENCE_MS);
        listeners.add(look);
        look();
      }),
    async close() {
      stop.abort();
      await listening;
      assert.equal(broken, undefined);
    },
  };
}
