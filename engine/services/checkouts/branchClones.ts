/** Makes, starts and binds the clones of branches for a checkout. */
import { cloneNameOf } from '../../domain/branches.ts';
import type { Job } from '../../protocol/entities.ts';
import { isFailure } from '../../protocol/errors.ts';
import { cloneNameSchema, referenceSchema, type CloneName, type Reference } from '../../protocol/ids.ts';
import type { CheckoutRecord, CloneRecord } from '../../state/store.ts';
import type { BindingTarget } from '../clones/bind.ts';
import type { Clones } from '../clones/clones.ts';
import type { ServiceContext } from '../context.ts';
import { succeeded } from '../succeeded.ts';
import { originOf, type OriginRequest } from './branchOrigin.ts';
import { createOnceByKey, holderIn, type OnceByKey } from './onceByKey.ts';

export interface MakeRequest extends OriginRequest {
  /** Branch, or pattern of branches that share a clone. */
  key: string;
  /** What HEAD stood at: a failure counts while it does. */
  head: string;
  afterMs: number;
  /** Asked after `afterMs`: HEAD may have moved on. */
  isWanted: () => boolean;
}

export interface BranchClones extends Omit<OnceByKey, 'run' | 'allSubmitted'> {
  create(request: MakeRequest): void;
  start(key: string, head: string, clone: Reference, user: string): void;
  /** `to` null: to none. Gives it the checkout's password. */
  bind(clone: CloneRecord, to: BindingTarget, checkout: CheckoutRecord): Promise<void>;
  /** As `bind`, once: false where a job works on the clone, and `onChange` comes when that has ended. */
  bindIfFree(clone: CloneRecord, to: BindingTarget, checkout: CheckoutRecord): Promise<boolean>;
  /** All clones that one port may lead to have one password; false as of `bindIfFree`. */
  giveKnownPassword(clone: CloneRecord, checkout: CheckoutRecord): Promise<boolean>;
  close(): Promise<void>;
}

export interface BranchClonesOptions {
  context: ServiceContext;
  clones: Clones;
  /** Lets a snapshot go that no clone came to stand on. */
  dropSnapshot: (snapshot: Reference, user: string) => void;
  onChange: () => void;
}

export function createBranchClones({
  context,
  clones,
  dropSnapshot,
  onChange,
}: BranchClonesOptions): BranchClones {
  const { store, runner, clock, vault, log } = context;
  const stop = new AbortController();
  const once = createOnceByKey({ runner, log, signal: stop.signal, onChange });

  const freeName = (key: string): CloneName => {
    const taken = new Set<string>(store.clones.list().map(({ name }) => name));
    for (let ordinal = 1; ; ordinal++) {
      const name = cloneNameOf(key, ordinal);
      if (!taken.has(name)) return cloneNameSchema.parse(name);
    }
  };

  /** Keeps the present state of a clone as a snapshot for the branch to start from. */
  const stateOf = async (clone: CloneRecord, key: string, user: string): Promise<Reference> => {
    const job = clones.commit(
      referenceSchema.parse(clone.id),
      { message: `${clone.branch ?? clone.name} when ${key} began`.slice(0, 1000), origin: 'branch' },
      { user },
    );
    return referenceSchema.parse((await succeeded(runner, job)).object.id);
  };

  const create = async (request: MakeRequest): Promise<Job | undefined> => {
    const { key, environment, checkout, afterMs, isWanted } = request;
    if (afterMs > 0) await clock.sleep(afterMs, stop.signal);
    if (!isWanted()) return undefined;
    const { repository, createdBy, sealedPassword } = checkout;
    const origin = originOf(context, request);
    const snapshot = origin === undefined ? undefined : await stateOf(origin, key, createdBy);
    if (snapshot !== undefined && (stop.signal.aborted || !isWanted())) {
      dropSnapshot(snapshot, createdBy);
      return undefined;
    }
    const make = (): Promise<Job> =>
      clones.create(
        {
          environment: referenceSchema.parse(environment),
          ...(snapshot === undefined ? {} : { snapshot }),
          name: freeName(key),
          binding: { repository, branch: key, password: vault.open(sealedPassword) },
        },
        { user: createdBy },
      );
    try {
      return await make();
    } catch (error) {
      // Somebody took the name between the look and the request.
      if (isFailure(error, 'name_taken')) return await make();
      if (snapshot !== undefined) dropSnapshot(snapshot, createdBy);
      throw error;
    }
  };

  const bind: BranchClones['bind'] = async (clone, to, { sealedPassword, createdBy: user }) => {
    const job = clones.bind(referenceSchema.parse(clone.id), to, vault.open(sealedPassword), { user });
    await succeeded(runner, job);
  };

  const bindIfFree: BranchClones['bindIfFree'] = async (clone, to, checkout) => {
    try {
      await bind(clone, to, checkout);
      return true;
    } catch (error) {
      const holder = holderIn(error);
      if (holder === undefined) throw error;
      void runner.ended(holder).then(onChange);
      return false;
    }
  };

  return {
    ...once,
    create: (request) => once.run(request.key, request.head, () => create(request)),
    start: (key, head, clone, user) => once.run(key, head, async () => clones.start(clone, { user })),
    bind,
    bindIfFree,
    async giveKnownPassword(clone, checkout) {
      const { repository, branch } = clone;
      if (vault.open(clone.sealedPassword) === vault.open(checkout.sealedPassword)) return true;
      const to = repository === null || branch === null ? null : { repository, branch };
      return bindIfFree(clone, to, checkout);
    },
    async close() {
      stop.abort();
      // A job that was accepted goes on by itself, maybe for minutes.
      await once.allSubmitted();
    },
  };
}
