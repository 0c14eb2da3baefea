/** Destroys a clone: its servers, its data, and with the last clone of a branch what the branch started from. */
import * as z from 'zod';
import { datasetsOf } from '../../domain/cloneRow.ts';
import { isProtected } from '../../domain/expiry.ts';
import type { JobKind, Step } from '../../jobs/steps.ts';
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { cloneIdSchema, type Reference } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import { jobOn, type Caller } from '../caller.ts';
import { all, type ServiceContext } from '../context.ts';
import { exclusiveLane } from '../laneKeys.ts';
import { giveUpStep, tagDoomed } from '../removal.ts';
import { cloneTags } from '../tags.ts';
import { removeBranchStart } from './branchStarts.ts';
import type { CloneParts } from './parts.ts';
import { branchStartSchema, memberDatasetSchema, tidy } from './rows.ts';

const destroyInput = z.object({
  clone: cloneIdSchema,
  datasets: z.array(memberDatasetSchema),
  branchStart: branchStartSchema,
});
type DestroyInput = z.infer<typeof destroyInput>;
type DestroyStep = Step<DestroyInput, object>;

export interface DestroyClone {
  readonly kind: JobKind<DestroyInput, object>;
  /** Errors: `clone_protected`, `busy`. */
  request(clone: Reference, caller: Caller): Job;
}

export function createDestroyClone(parts: CloneParts): DestroyClone {
  const { context, servers, branchStarts, time } = parts;
  const { store, catalog, runner } = context;
  const kind: DestroyClone['kind'] = {
    type: 'clone.destroy',
    input: destroyInput,
    data: z.object({}),
    steps: ({ branchStart }) => [
      giveUpStep(({ input }) =>
        parts.cloneServers.bringBack(input.clone, 'Its server could not be started again.'),
      ),
      removeStep(parts),
      ...removeBranchStart<DestroyInput>(branchStarts, branchStart),
    ],
    failed:
      ({ input }, problem) =>
      () => {
        const clone = store.clones.get(input.clone);
        if (clone?.state === 'destroying') store.clones.put({ ...clone, state: 'failed', problem });
      },
    ended: ({ clone, datasets }) => {
      const isGone = store.clones.get(clone) === undefined;
      return tidy(context, servers, isGone ? datasets.map(({ dataset }) => dataset) : []);
    },
  };
  return {
    kind,
    request(reference, caller) {
      // First, since it may move the end of the protection.
      const at = time.now().toISOString();
      const clone = catalog.clone(reference);
      if (isProtected(clone, at)) {
        throw fail('clone_protected', { clone: clone.name, until: clone.protectedUntil ?? '' });
      }
      return runner.submit({
        kind,
        title: `Destroy clone ${clone.name}`,
        input: { clone: clone.id, datasets: datasetsOf(clone), branchStart: branchStarts.under(clone) },
        data: {},
        lanes: [exclusiveLane(clone)],
        fingerprint: JSON.stringify(['clone.destroy', clone.id]),
        ...jobOn('clone', clone, caller),
        prepare: () => store.clones.put({ ...clone, state: 'destroying' }),
      });
    },
  };
}

function removeStep({ context, servers, tagging, oldCopies }: CloneParts): DestroyStep {
  const { store, storage } = context;
  return {
    name: 'Stop and remove',
    async run({ input }) {
      const clone = store.clones.get(input.clone);
      if (clone === undefined) return undefined;
      await tagging.settled(clone.id);
      await tagDoomed(
        context,
        clone.members.map(({ name, dataset }) => cloneTags(context, clone, name, dataset, 'doomed')),
      );
      const remove = (members: Awaited<ReturnType<typeof olderCopies>>) =>
        all(members, async (member) => {
          await servers.stop(member, 'immediate');
          await storage.destroy(member.dataset);
        });
      await oldCopies.take(clone.id, async () => remove(await olderCopies(context, clone)));
      await remove(clone.members);
      return () => store.clones.remove(input.clone);
    },
  };
}

/** What resets could not remove: without their clone they would be taken for one that the state forgot. */
async function olderCopies(
  { storage }: ServiceContext,
  clone: CloneRecord,
): Promise<Pick<CloneRecord['members'][number], 'engine' | 'dataset' | 'version'>[]> {
  if (clone.generation === 0) return [];
  const used = new Set(clone.members.map(({ dataset }) => dataset));
  return (await storage.list()).flatMap(({ id, tags: { content, member } }) => {
    if (content.kind !== 'clone' || content.clone.id !== clone.id || used.has(id)) return [];
    const known = clone.members.find(({ name }) => name === member);
    return known === undefined ? [] : [{ ...known, dataset: id }];
  });
}
