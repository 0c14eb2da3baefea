/** Stops the servers of a clone for good: nothing but a wish to use it starts them again. Its data stays. */
import * as z from 'zod';
import type { JobKind } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { cloneIdSchema, type CloneId, type Reference } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import { jobOn, type Caller } from '../caller.ts';
import { exclusiveLane } from '../laneKeys.ts';
import type { CloneParts } from './parts.ts';
import { cloneOf, tagReady } from './rows.ts';

const stopInput = z.object({
  clone: cloneIdSchema,
  /** Who has stopped it before, and who has when this is done. */
  before: z.string().nullable(),
  after: z.string(),
});

export interface StopClone {
  readonly kind: JobKind<z.infer<typeof stopInput>, object>;
  /** One that ended by itself is not brought up again either. Errors: `clone_not_ready`, `busy`. */
  request(clone: Reference, caller: Caller): Job;
}

export function createStopClone({ context, cloneServers, tagging }: CloneParts): StopClone {
  const { store, catalog, runner } = context;

  const stoppedBy = (id: CloneId, person: string | null): CloneRecord => ({
    ...cloneOf(context, id),
    stoppedBy: person,
  });

  const kind: StopClone['kind'] = {
    type: 'clone.stop',
    input: stopInput,
    data: z.object({}),
    steps: () => [
      {
        name: 'Stop',
        async run({ input }) {
          await cloneServers.stop(cloneOf(context, input.clone), 'clean');
          return undefined;
        },
        undo: ({ input }) =>
          cloneServers.bringBack(input.clone, 'Its server could not be started again after all.'),
      },
      {
        name: 'Remember',
        commits: true,
        async run({ input: { clone, after } }) {
          await tagReady(context, stoppedBy(clone, after));
          return await cloneServers.settle(clone, null, { change: { stoppedBy: after } });
        },
        async undo({ input: { clone, before } }) {
          await tagReady(context, stoppedBy(clone, before));
          return undefined;
        },
      },
    ],
    ended: ({ clone }) => tagging.afterJob(clone),
  };

  return {
    kind,
    request(reference, caller) {
      const clone = catalog.clone(reference);
      const holder = runner.holder([exclusiveLane(clone)]);
      if (holder === undefined && clone.state !== 'ready' && clone.state !== 'stopped')
        throw fail('clone_not_ready', { clone: clone.name, state: clone.state });
      return runner.submit({
        kind,
        title: `Stop clone ${clone.name}`,
        input: { clone: clone.id, before: clone.stoppedBy, after: clone.stoppedBy ?? caller.user },
        data: {},
        lanes: [exclusiveLane(clone)],
        fingerprint: JSON.stringify(['clone.stop', clone.id]),
        ...jobOn('clone', clone, caller),
        prepare: () => store.clones.put({ ...clone, state: 'stopping' }),
      });
    },
  };
}
