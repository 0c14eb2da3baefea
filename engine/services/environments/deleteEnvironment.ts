/** Deletes an environment without clones: its definition and all its snapshots. */
import * as z from 'zod';
import type { JobKind } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { environmentNameSchema, type Reference } from '../../protocol/ids.ts';
import { jobOn, type Caller } from '../caller.ts';
import type { ServiceContext } from '../context.ts';
import { environmentLane, exclusiveLane } from '../laneKeys.ts';
import { giveUpStep } from '../removal.ts';
import { dropSnapshot } from './dropSnapshot.ts';

const deleteEnvironmentInput = z.object({ environment: environmentNameSchema });
type DeleteEnvironmentInput = z.infer<typeof deleteEnvironmentInput>;

export interface DeleteEnvironment {
  readonly kind: JobKind<DeleteEnvironmentInput, object>;
  request(environment: Reference, caller: Caller): Job;
}

export function createDeleteEnvironment(context: ServiceContext): DeleteEnvironment {
  const { store, storage, catalog, runner } = context;
  const kind: DeleteEnvironment['kind'] = {
    type: 'environment.delete',
    input: deleteEnvironmentInput,
    data: z.object({}),
    steps: () => [
      giveUpStep(({ input }) =>
        Promise.resolve(() => {
          for (const snapshot of catalog.snapshotsOf(input.environment))
            store.snapshots.put({ ...snapshot, state: 'ready' });
        }),
      ),
      {
        name: 'Remove snapshots',
        async run({ input }) {
          const snapshots = catalog.snapshotsOf(input.environment);
          for (const snapshot of snapshots) await dropSnapshot(context, snapshot);
          return () => {
            for (const { id } of snapshots) store.snapshots.remove(id);
            store.environments.remove(input.environment);
          };
        },
      },
    ],
    ended: () => storage.emptyTrash(),
  };

  return {
    kind,
    request(reference, caller) {
      const { name } = catalog.environment(reference);
      const clones = store.clones.list().filter(({ environment }) => environment === name);
      if (clones.length > 0) {
        throw fail('environment_in_use', { environment: name, clones: clones.map((clone) => clone.name) });
      }
      return runner.submit({
        kind,
        title: `Delete environment ${name}`,
        input: { environment: name },
        data: {},
        lanes: [environmentLane(name), ...catalog.snapshotsOf(name).map(exclusiveLane)],
        fingerprint: JSON.stringify(['environment.delete', name]),
        ...jobOn('environment', { id: name, name, environment: name }, caller),
        prepare: () => {
          for (const snapshot of catalog.snapshotsOf(name))
            store.snapshots.put({ ...snapshot, state: 'deleting' });
        },
      });
    },
  };
}
