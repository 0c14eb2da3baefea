/** Makes a clone of a clone as it is: keeps its present state as a snapshot, which goes with the last clone that stands on it. */
import type { Job } from '../../protocol/entities.ts';
import { referenceSchema, type CloneName, type Reference, type SnapshotId } from '../../protocol/ids.ts';
import type { Caller } from '../caller.ts';
import { succeeded } from '../succeeded.ts';
import type { CommitClone } from './commit.ts';
import { refuseTaken, type CreateClone } from './create.ts';
import type { CloneParts } from './parts.ts';

export interface CloneOfCloneRequest {
  name?: CloneName | undefined;
}

/** Answers the job that makes the new clone, as soon as the state of the old one is kept. */
export type CloneOfClone = (clone: Reference, request: CloneOfCloneRequest, caller: Caller) => Promise<Job>;

export function createCloneOfClone(
  { context, branchStarts }: CloneParts,
  { commit, create }: { commit: CommitClone; create: CreateClone },
): CloneOfClone {
  const { catalog, runner } = context;
  /** Requests with a name or a key until their jobs have ended: the same one again is the same clone. */
  const making = new Map<string, Promise<Job>>();

  const keep = async (reference: Reference, message: string, { user }: Caller): Promise<SnapshotId> => {
    // Without the request's key, which is for the job that it is answered with.
    const job = commit.request(reference, { message, origin: 'branch' }, { user });
    const { object } = await succeeded(runner, job);
    return catalog.snapshot(referenceSchema.parse(object.id)).id;
  };

  const make: CloneOfClone = async (reference, { name }, caller) => {
    const origin = catalog.clone(reference);
    // Before anything is kept for a clone that can't be made.
    refuseTaken(context, catalog.environment(referenceSchema.parse(origin.environment)), name);
    const message = `${origin.branch ?? origin.name} when ${name ?? 'a clone of it'} began`.slice(0, 1000);
    const snapshot = await keep(referenceSchema.parse(origin.id), message, caller);
    try {
      const environment = referenceSchema.parse(origin.environment);
      return await create.request({ environment, snapshot: referenceSchema.parse(snapshot), name }, caller);
    } catch (error) {
      (await branchStarts.release(snapshot))?.();
      throw error;
    }
  };

  return async (reference, request, caller) => {
    const distinct = request.name ?? caller.idempotencyKey;
    if (distinct === undefined) return await make(reference, request, caller);
    const key = JSON.stringify([catalog.clone(reference).id, distinct, caller.user]);
    const known = making.get(key);
    if (known !== undefined) return await known;
    const made = make(reference, request, caller);
    making.set(key, made);
    const forget = (): void => void making.delete(key);
    made.then(({ id }) => runner.ended(id)).then(forget, forget);
    return await made;
  };
}
