/** Makes and starts the clones of branches for a checkout: each once, whatever is looked at meanwhile, and remembers what failed. */
import { bindingKeyOf, cloneNameOf } from '../../domain/branches.ts';
import type { Job } from '../../protocol/entities.ts';
import { isFailure, ThinClonesError, toFailure } from '../../protocol/errors.ts';
import {
  cloneNameSchema,
  referenceSchema,
  type CloneId,
  type CloneName,
  type EnvironmentName,
  type Reference,
} from '../../protocol/ids.ts';
import type { CheckoutRecord, CloneRecord } from '../../state/store.ts';
import type { BindingTarget } from '../clones/bind.ts';
import type { Clones } from '../clones/clones.ts';
import type { ServiceContext } from '../context.ts';

export interface MakeRequest {
  /** Branch, or pattern of branches that share a clone. */
  key: string;
  /** What HEAD stood at: a failure counts while it does. */
  head: string;
  environment: EnvironmentName;
  /** `latest`, `current` or a branch. */
  from: string;
  checkout: CheckoutRecord;
  /** The clone that was in use before. */
  previous: CloneId | null;
  shared: readonly string[];
  afterMs: number;
  /** Asked after `afterMs`: HEAD may have moved on. */
  isWanted: () => boolean;
}

export interface BranchClones {
  create(request: MakeRequest): void;
  start(key: string, head: string, clone: Reference, user: string): void;
  /** One is being made or started for it. */
  isAtWork(key: string): boolean;
  jobOf(key: string): Job['id'] | undefined;
  /** Resolves with the job once it is accepted; undefined when nothing is on its way or it was refused. */
  submitted(key: string): Promise<Job | undefined>;
  failureOf(key: string, head: string): ThinClonesError | undefined;
  forgetFailures(): void;
  /** `to` null: to none. Gives it the checkout's password. */
  bind(clone: CloneRecord, to: BindingTarget, checkout: CheckoutRecord): Promise<void>;
  /** All clones that one port may lead to have one password. */
  giveKnownPassword(clone: CloneRecord, checkout: CheckoutRecord): Promise<void>;
  close(): Promise<void>;
}

export interface BranchClonesOptions {
  context: ServiceContext;
  clones: Clones;
  /** Lets a snapshot go that no clone came to stand on. */
  dropSnapshot: (snapshot: Reference, user: string) => void;
  onChange: () => void;
}

interface Making {
  job: Job | undefined;
  submitted: Promise<Job | undefined>;
  done: Promise<void>;
}

export function createBranchClones({
  context,
  clones,
  dropSnapshot,
  onChange,
}: BranchClonesOptions): BranchClones {
  const { store, runner, clock, vault, log } = context;
  const stop = new AbortController();
  const making = new Map<string, Making>();
  const failures = new Map<string, { head: string; failure: ThinClonesError }>();

  /** Runs once for a key; what `submit` answers undefined is not wanted any more. */
  const run = (key: string, head: string, submit: () => Promise<Job | undefined>): void => {
    if (making.has(key)) return;
    const entry: Making = { job: undefined, submitted: Promise.resolve(undefined), done: Promise.resolve() };
    making.set(key, entry);
    const fails = (failure: ThinClonesError): void => {
      if (!stop.signal.aborted) failures.set(key, { head, failure });
    };
    entry.submitted = submit().then(
      (job) => {
        entry.job = job;
        if (job !== undefined) onChange();
        return job;
      },
      (error: unknown) => {
        const failure = toFailure(error);
        // Another checkout makes the same one: the binding is there.
        if (failure.code !== 'binding_taken') fails(failure);
        return undefined;
      },
    );
    entry.done = entry.submitted.then(async (job) => {
      if (job !== undefined) {
        const { state, error } = await runner.ended(job.id);
        if (state !== 'succeeded' && error !== null) fails(new ThinClonesError(error, 500));
      }
      making.delete(key);
      onChange();
    });
    entry.done.catch((error: unknown) =>
      log.error('the clone of a branch', { key, problem: toFailure(error).message }),
    );
  };

  const freeName = (key: string): CloneName => {
    const taken = new Set<string>(store.clones.list().map(({ name }) => name));
    for (let ordinal = 1; ; ordinal++) {
      const name = cloneNameOf(key, ordinal);
      if (!taken.has(name)) return cloneNameSchema.parse(name);
    }
  };

  /** The clone whose state a new one starts from; undefined: the latest snapshot. */
  const originOf = ({
    from,
    previous,
    checkout,
    environment,
    shared,
  }: MakeRequest): CloneRecord | undefined => {
    if (from === 'latest') return undefined;
    const found =
      from === 'current'
        ? store.clones.list().find(({ id }) => id === previous)
        : context.catalog.clonesOfBranch(environment, {
            repository: checkout.repository,
            branch: bindingKeyOf(from, shared),
          })[0];
    return found?.environment === environment ? found : undefined;
  };

  /** The job at its end; throws the error that it ended with. */
  const succeeded = async ({ id }: Job): Promise<Job> => {
    const job = await runner.ended(id);
    if (job.state !== 'succeeded' && job.error !== null) throw new ThinClonesError(job.error, 500);
    return job;
  };

  /** Keeps the present state of a clone as a snapshot for the branch to start from. */
  const stateOf = async (clone: CloneRecord, key: string, user: string): Promise<Reference> => {
    const job = clones.commit(
      referenceSchema.parse(clone.id),
      { message: `${clone.branch ?? clone.name} when ${key} began`.slice(0, 1000), origin: 'branch' },
      { user },
    );
    return referenceSchema.parse((await succeeded(job)).object.id);
  };

  const create = async (request: MakeRequest): Promise<Job | undefined> => {
    const { key, environment, checkout, afterMs, isWanted } = request;
    if (afterMs > 0) await clock.sleep(afterMs, stop.signal);
    if (!isWanted()) return undefined;
    const { repository, createdBy, sealedPassword } = checkout;
    const origin = originOf(request);
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
    await succeeded(job);
  };

  return {
    create: (request) => run(request.key, request.head, () => create(request)),
    start: (key, head, clone, user) => run(key, head, async () => clones.start(clone, { user })),
    isAtWork: (key) => making.has(key),
    jobOf: (key) => making.get(key)?.job?.id,
    submitted: async (key) => making.get(key)?.submitted,
    failureOf(key, head) {
      const found = failures.get(key);
      return found?.head === head ? found.failure : undefined;
    },
    forgetFailures: () => failures.clear(),
    bind,
    async giveKnownPassword(clone, checkout) {
      const { repository, branch } = clone;
      if (vault.open(clone.sealedPassword) === vault.open(checkout.sealedPassword)) return;
      const to = repository === null || branch === null ? null : { repository, branch };
      await bind(clone, to, checkout);
    },
    async close() {
      stop.abort();
      // A job that was accepted goes on by itself, maybe for minutes.
      await Promise.all([...making.values()].map(({ submitted }) => submitted));
    },
  };
}
