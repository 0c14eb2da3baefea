/** Makes, starts and binds the clones of branches for a checkout, on whichever host they are. */
import { bindingOf, type Binding } from '../../domain/bindings.ts';
import { cloneNameOf } from '../../domain/branches.ts';
import type { Clone, Job } from '../../protocol/entities.ts';
import { isFailure } from '../../protocol/errors.ts';
import { cloneNameSchema, snapshotIdSchema, type CloneName, type SnapshotId } from '../../protocol/ids.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';
import { succeeded } from '../succeeded.ts';
import { originOf, type OriginRequest } from './branchOrigin.ts';
import type { HostClones } from './hostClones.ts';
import { bindingAt } from './hosts.ts';
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
  start(at: HostClones, key: string, head: string, clone: Clone['id'], user: string): void;
  /** `to` null: to none. Gives it the checkout's password. */
  bind(at: HostClones, clone: Clone, to: Binding | null, checkout: CheckoutRecord): Promise<void>;
  /** As `bind`, once: false where a job works on the clone, and `onChange` comes when that has ended. */
  bindIfFree(at: HostClones, clone: Clone, to: Binding | null, checkout: CheckoutRecord): Promise<boolean>;
  /** All clones that one port may lead to have one password; false as of `bindIfFree`. */
  giveKnownPassword(at: HostClones, clone: Clone, checkout: CheckoutRecord): Promise<boolean>;
  /** Makes none meanwhile: a branch may be without a clone for as long as it takes to give it another. */
  holdBack(work: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

export interface BranchClonesOptions {
  context: Pick<ServiceContext, 'clock' | 'vault' | 'log'>;
  onChange: () => void;
}

/** So many names are tried while others take them in the same moment. */
const mostNames = 5;

export function createBranchClones({ context, onChange }: BranchClonesOptions): BranchClones {
  const { clock, vault, log } = context;
  const stop = new AbortController();
  const once = createOnceByKey({ log, signal: stop.signal, onChange });

  /** Keeps the present state of a clone as a snapshot for the branch to start from. */
  const stateOf = async (at: HostClones, clone: Clone, key: string, user: string): Promise<SnapshotId> => {
    const message = `${clone.branch ?? clone.name} when ${key} began`.slice(0, 1000);
    const job = await at.keepState(clone.id, message, user);
    await succeeded(at, job);
    return snapshotIdSchema.parse(job.object.id);
  };

  const create = async (request: MakeRequest): Promise<Job | undefined> => {
    const { at, key, environment, checkout, afterMs, isWanted } = request;
    if (afterMs > 0) await clock.sleep(afterMs, stop.signal);
    if (!isWanted()) return undefined;
    const { repository, createdBy, sealedPassword } = checkout;
    const origin = originOf(request);
    const snapshot = origin === undefined ? undefined : await stateOf(at, origin, key, createdBy);
    if (snapshot !== undefined && (stop.signal.aborted || !isWanted())) {
      at.dropSnapshot(snapshot, createdBy);
      return undefined;
    }
    const refused = new Set<string>();
    for (;;) {
      const name = freeName(at, key, refused);
      try {
        return await at.create(
          {
            ...{ environment, snapshot, name, binding: bindingAt(at, repository, key) },
            password: vault.open(sealedPassword),
          },
          createdBy,
        );
      } catch (error) {
        // Somebody took the name between the look and the request.
        if (isFailure(error, 'name_taken') && refused.add(name).size < mostNames) continue;
        if (snapshot !== undefined) at.dropSnapshot(snapshot, createdBy);
        throw error;
      }
    }
  };

  const bind: BranchClones['bind'] = async (at, clone, to, { sealedPassword, createdBy: user }) => {
    await succeeded(at, await at.bind(clone.id, to, vault.open(sealedPassword), user));
  };

  const bindIfFree: BranchClones['bindIfFree'] = async (at, clone, to, checkout) => {
    try {
      await bind(at, clone, to, checkout);
      return true;
    } catch (error) {
      const holder = holderIn(error);
      if (holder === undefined) throw error;
      void at.ended(holder).then(onChange);
      return false;
    }
  };

  let heldBack = 0;
  return {
    ...once,
    create(request) {
      if (heldBack === 0) once.run(request.at, request.key, request.head, () => create(request));
    },
    async holdBack(work) {
      heldBack += 1;
      try {
        await work();
      } finally {
        heldBack -= 1;
        onChange();
      }
    },
    start: (at, key, head, clone, user) => once.run(at, key, head, () => at.start(clone, user)),
    bind,
    bindIfFree,
    async giveKnownPassword(at, clone, checkout) {
      if ((await at.passwordOf(clone)) === vault.open(checkout.sealedPassword)) return true;
      return bindIfFree(at, clone, bindingOf(clone) ?? null, checkout);
    },
    async close() {
      stop.abort();
      // A job that was accepted goes on by itself, maybe for minutes.
      await once.allSubmitted();
    },
  };
}

function freeName(at: HostClones, key: string, refused: ReadonlySet<string>): CloneName {
  const taken = new Set<string>([...refused, ...at.clones().map(({ name }) => name)]);
  for (let ordinal = 1; ; ordinal++) {
    const name = cloneNameOf(key, ordinal);
    if (!taken.has(name)) return cloneNameSchema.parse(name);
  }
}
