/** Renames a clone: its data says the new name before its row does, and everything else stays as it is. */
import * as z from 'zod';
import type { JobKind } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { cloneIdSchema, cloneNameSchema, type CloneName, type Reference } from '../../protocol/ids.ts';
import { jobOn, type Caller } from '../caller.ts';
import { cloneNameLane, exclusiveLane } from '../laneKeys.ts';
import type { CloneParts } from './parts.ts';
import { cloneOf, tagReady } from './rows.ts';

export interface RenameClone {
  readonly kind: JobKind<RenameInput, object>;
  /** Throws `name_taken`, `clone_not_ready`, `busy`. */
  request(clone: Reference, name: CloneName, caller: Caller): Job;
}

const renameInput = z.object({ clone: cloneIdSchema, name: cloneNameSchema });
type RenameInput = z.infer<typeof renameInput>;

export function createRenameClone({ context, tagging }: CloneParts): RenameClone {
  const { store, catalog, runner } = context;
  const kind: RenameClone['kind'] = {
    type: 'clone.rename',
    input: renameInput,
    data: z.object({}),
    steps: () => [
      {
        name: 'Rename',
        commits: true,
        async run({ input: { clone, name } }) {
          await tagReady(context, { ...cloneOf(context, clone), name });
          return () => store.clones.put({ ...cloneOf(context, clone), name });
        },
        async undo({ input }) {
          await tagReady(context, cloneOf(context, input.clone));
          return undefined;
        },
      },
    ],
    ended: ({ clone }) => tagging.afterJob(clone),
  };
  return {
    kind,
    request(reference, name, caller) {
      const clone = catalog.clone(reference);
      const holder = runner.holder([exclusiveLane(clone)]);
      if (holder === undefined && clone.state !== 'ready' && clone.state !== 'stopped')
        throw fail('clone_not_ready', { clone: clone.name, state: clone.state });
      if (store.clones.list().some((each) => each.name === name && each.id !== clone.id))
        throw fail('name_taken', { kind: 'clone', name });
      return runner.submit({
        kind,
        title: `Rename clone ${clone.name} to ${name}`,
        input: { clone: clone.id, name },
        data: {},
        lanes: [exclusiveLane(clone), cloneNameLane(name)],
        fingerprint: JSON.stringify(['clone.rename', clone.id, name]),
        ...jobOn('clone', clone, caller),
      });
    },
  };
}
