/** Starts the servers of a clone that is stopped; that a person stopped it is over then. */
import * as z from 'zod';
import { datasetsOf, withMembers } from '../../domain/cloneRow.ts';
import type { JobKind } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { cloneIdSchema, type Reference } from '../../protocol/ids.ts';
import { jobOn, type Caller } from '../caller.ts';
import { exclusiveLane } from '../laneKeys.ts';
import type { CloneParts } from './parts.ts';
import { cloneOf, memberDatasetSchema, tagReady } from './rows.ts';

const startInput = z.object({
  clone: cloneIdSchema,
  datasets: z.array(memberDatasetSchema),
  /** A person had stopped it: its tags say so. */
  wasStopped: z.boolean().default(false),
});

export interface StartClone {
  readonly kind: JobKind<z.infer<typeof startInput>, object>;
  request(clone: Reference, caller: Caller): Job;
}

export function createStartClone({ context, cloneServers, tagging }: CloneParts): StartClone {
  const { store, catalog, runner, clock, log } = context;
  const kind: StartClone['kind'] = {
    type: 'clone.start',
    input: startInput,
    data: z.object({}),
    steps: () => [
      {
        name: 'Start',
        async run({ input, signal }) {
          const clone = cloneOf(context, input.clone);
          await cloneServers.start(clone, { signal });
          if (input.wasStopped) await tagReady(context, { ...clone, stoppedBy: null });
          const change = { usedAt: clock.now().toISOString() };
          return await cloneServers.settle(input.clone, null, { change });
        },
        async undo({ input }) {
          const clone = cloneOf(context, input.clone);
          try {
            // A kill in the middle left a server with the password of before, which may have changed while it was stopped.
            await cloneServers.setPassword(clone);
          } catch (error) {
            // best effort: the row then says which servers run
            log.warning('a password could not be set', { clone: clone.id, problem: String(error) });
          }
          return cloneServers.settle(input.clone, 'Its server could not be started.');
        },
      },
    ],
    async ended({ clone, wasStopped }) {
      // It may be stopped as before, or run after all.
      if (wasStopped) await tagging.write(clone);
    },
  };
  return {
    kind,
    request(reference, caller) {
      const clone = catalog.clone(reference);
      return runner.submit({
        kind,
        title: `Start clone ${clone.name}`,
        input: { clone: clone.id, datasets: datasetsOf(clone), wasStopped: clone.stoppedBy !== null },
        data: {},
        lanes: [exclusiveLane(clone)],
        fingerprint: JSON.stringify(['clone.start', clone.id]),
        ...jobOn('clone', clone, caller),
        prepare: () => store.clones.put(withMembers(clone, 'starting')),
      });
    },
  };
}
