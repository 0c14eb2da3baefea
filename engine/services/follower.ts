/** The life of one checkout: looks when HEAD moves, finds or makes the clone that belongs to it, and leads its ports there. */
import { decide, type Decision, type DecisionInput } from '../domain/branches.ts';
import { sortVariables, type SortedVariables } from '../domain/variables.ts';
import type { WorkingTree } from '../git/git.ts';
import type { Checkout, Head, Job } from '../protocol/entities.ts';
import { fail, toFailure, type ThinClonesError } from '../protocol/errors.ts';
import { referenceSchema, type CheckoutId, type CloneId, type EnvironmentName } from '../protocol/ids.ts';
import { defaultVariables } from '../protocol/variables.ts';
import type { Follow, Workspace } from '../protocol/workspace.ts';
import type { CheckoutRecord, CloneRecord } from '../state/store.ts';
import type { BindingTarget } from './binding.ts';
import { createBranchClones, type BranchClones, type BranchClonesOptions } from './branchClones.ts';
import { createCheckoutPorts, type Destination } from './checkoutPorts.ts';
import { createCheckoutVariables } from './checkoutVariables.ts';
import type { Clones } from './clones.ts';
import type { ServiceContext } from './context.ts';

/** HEAD has to stand still for this long: Git writes it several times in one operation. */
const settleMs = 40;
/** However often it moves, it is looked at after this long. */
const settleAtMostMs = 300;
/** And for this long before a clone is made for it: who steps through branches does not want one of each. */
const makeAfterMs = 150;
const takenPortIntervalMs = 2000;

/** A person's word about the branch that is checked out now, until HEAD moves. */
interface Wish {
  head: string;
  answer: 'clone' | 'none';
  from: string | undefined;
}

interface Situation {
  state: Checkout['state'];
  key: string | null;
  clone: CloneId | null;
  job: Job['id'] | null;
  reason: string | null;
  next: string | null;
  question: Checkout['question'];
}

export interface Follower {
  readonly id: CheckoutId;
  entity(): Checkout;
  /** Watches HEAD from now on. */
  start(): Promise<void>;
  /** Looks now; resolves when state and ports say what follows from HEAD, with the job of a clone that is on its way. */
  look(): Promise<void>;
  /** A person's wish for the present branch; errors that were told are forgotten, and what failed is tried again. */
  wish(answer: Wish['answer'], from?: string): Promise<void>;
  /** What failed before is worth another try. */
  retry(): Promise<void>;
  exchangePorts(): Promise<void>;
  /** Binds a clone to a branch, or to none. */
  bind(clone: CloneRecord, to: BindingTarget): Promise<void>;
  /** The block of variables leaves its file. */
  takeBlockOut(): Promise<void>;
  /** Resolves with the job that makes or starts the present branch's clone, if one does. */
  job(): Promise<Job | null>;
  /** The environment that it uses; throws `environment_unchosen`. */
  environment(): EnvironmentName;
  workspace(): Workspace | undefined;
  tree(): WorkingTree;
  head(): Head;
  /** A clone changed or went away. */
  notice(clone: { id: CloneId; repository: string | null } | undefined): void;
  close(): Promise<void>;
}

export interface FollowerOptions {
  context: ServiceContext;
  clones: Clones;
  dropSnapshot: BranchClonesOptions['dropSnapshot'];
  id: CheckoutId;
  tree: WorkingTree;
}

/** What HEAD stands at, to see that it moved. */
export const headText = (head: Head): string => {
  switch (head.kind) {
    case 'branch':
      return `branch ${head.branch}`;
    case 'detached':
      // A rebase or bisect comes back to its branch.
      return head.branch === null ? `commit ${head.commit}` : `branch ${head.branch}`;
    case 'unreadable':
      return 'unreadable';
  }
};

export function createFollower({
  context,
  clones,
  dropSnapshot,
  id,
  tree: firstTree,
}: FollowerOptions): Follower {
  const { store, storage, git, workspaceFiles, clock, feed, log } = context;
  const stop = new AbortController();
  const isStopped = (): boolean => stop.signal.aborted;
  const ports = createCheckoutPorts(context, id);
  const variables = createCheckoutVariables(context);

  let tree = firstTree;
  let head: Head = { kind: 'unreadable', problem: 'it was not looked at yet' };
  let workspace: Workspace | undefined;
  let problem: string | null = null;
  let situation: Situation = {
    ...{ state: 'none', key: null, clone: null, job: null },
    ...{ reason: 'It was not looked at yet.', next: null, question: null },
  };
  let wished: Wish | undefined;
  let switchedAt: string | null = null;
  let switchMs: number | null = null;
  let published = '';
  /** When HEAD moved, until it is looked at; and when it had moved for the switch that is under way. */
  let changedAt: number | undefined;
  let since: number | undefined;

  const record = (): CheckoutRecord => {
    const found = store.checkouts.get(id);
    if (found === undefined) throw fail('not_found', { kind: 'checkout', name: id });
    return found;
  };
  const follow = (): Follow => record().follow ?? workspace?.follow ?? 'ask';
  const environmentName = (): EnvironmentName | undefined => {
    const chosen = record().environment ?? workspace?.environment;
    if (chosen !== undefined) return chosen;
    const [only, ...others] = store.environments.list();
    return others.length === 0 ? only?.name : undefined;
  };

  const sortedVariables = (environment: EnvironmentName | null): SortedVariables => {
    if (workspace?.variables !== undefined)
      return sortVariables(workspace.variables, record().variableAnswers);
    const members =
      environment === null ? {} : (store.environments.get(environment)?.definition.members ?? {});
    return { variables: defaultVariables(Object.keys(members)), heldVariables: [] };
  };

  const entity = (): Checkout => {
    const { path, repository, kind, createdBy } = record();
    const environment = environmentName() ?? null;
    return {
      ...{ id, path, repository, kind, environment, head, createdBy, problem, switchedAt, switchMs },
      ...situation,
      follow: follow(),
      endpoints: [...ports.list()],
      ...sortedVariables(environment),
      envFile: variables.state(),
    };
  };

  const publish = (): void => {
    if (isStopped() || store.checkouts.get(id) === undefined) return;
    const now = entity();
    const text = JSON.stringify(now);
    if (text === published) return;
    published = text;
    feed.publish({ kind: 'checkout', entity: now });
  };

  const making: BranchClones = createBranchClones({
    ...{ context, clones, dropSnapshot },
    onChange: () => void look(),
  });

  const lead = (next: Situation, destination: Destination): void => {
    const isElsewhere = next.clone !== situation.clone || next.state !== situation.state;
    const notice =
      destination.kind === 'none'
        ? `leads nowhere now: ${destination.reason}`
        : `now leads to the database of ${next.key ?? 'no branch'}; connect again`;
    ports.lead(destination, `The checkout ${record().path} ${notice}`);
    situation = next;
    if (next.state === 'ready' && isElsewhere) {
      switchedAt = clock.now().toISOString();
      switchMs = since === undefined ? null : Math.round((clock.monotonic() - since) * 10) / 10;
    }
    if (next.state !== 'switching') since = undefined;
    if (next.state === 'ready' && next.clone !== record().last)
      store.checkouts.put({ ...record(), last: next.clone });
  };

  const leadNowhere = (
    state: Situation['state'],
    reason: string,
    next: string,
    rest: Partial<Situation> = {},
  ): void =>
    lead(
      { ...{ key: null, clone: null, job: null, question: null }, ...rest, ...{ state, reason, next } },
      { kind: 'none', reason, next },
    );
  const makeAnother = 'Make another one: thin-clones use';
  const leadFailed = (key: string, failure: ThinClonesError): void =>
    leadNowhere('failed', failure.message, failure.document.next, { key });
  const wait = (key: string, reason: string, clone: CloneId | null, job: Job['id'] | null): void =>
    lead(
      { state: 'switching', ...{ key, clone, job, reason }, next: null, question: null },
      { kind: 'waiting', reason },
    );

  /** Leads to a clone, in whichever state it is. */
  const leadTo = async (clone: CloneRecord, key: string): Promise<void> => {
    const reference = referenceSchema.parse(clone.id);
    const job = context.runner.holder([{ key: clone.id, mode: 'exclusive' }])?.id ?? null;
    switch (clone.state) {
      case 'ready':
        await making.giveKnownPassword(clone, record());
        rememberWorktree(clone.id);
        lead(
          { state: 'ready', key, clone: clone.id, job: null, reason: null, next: null, question: null },
          { kind: 'clone', clone: store.clones.get(clone.id) ?? clone },
        );
        return;
      case 'committing':
        // Where the store copies what runs, its server answers all the while, and connections must not end for that.
        if (storage.capabilities.live && situation.clone === clone.id && situation.state === 'ready') return;
        wait(key, `Clone ${clone.name} is being committed.`, clone.id, job);
        return;
      case 'creating':
        wait(key, `The clone of ${key} is being made.`, clone.id, job);
        return;
      case 'resetting':
        wait(key, `Clone ${clone.name} is being reset.`, clone.id, job);
        return;
      case 'stopped': {
        const failure = making.failureOf(key, headText(head));
        if (failure !== undefined) {
          leadNowhere('failed', failure.message, failure.document.next, { key, clone: clone.id });
          return;
        }
        const starting = clone.members.some(({ state }) => state === 'starting');
        if (!starting) making.start(key, headText(head), reference, record().createdBy);
        wait(key, `Clone ${clone.name} is being started.`, clone.id, making.jobOf(key) ?? job);
        return;
      }
      case 'destroying':
        // Who destroys the clone of the branch that is checked out does not want another one at once.
        wished = { head: headText(head), answer: 'none', from: undefined };
        leadNowhere('none', `Clone ${clone.name} is being destroyed.`, makeAnother, { key });
        return;
      case 'failed':
        leadNowhere(
          'failed',
          clone.problem ?? `Clone ${clone.name} failed.`,
          `Reset it: thin-clones clone reset ${clone.name}`,
          { key, clone: clone.id },
        );
    }
  };

  /** For the proposal to clean it up when that working tree is removed. */
  const rememberWorktree = (clone: CloneId): void => {
    const found = store.clones.get(clone);
    const worktree = tree.kind === 'worktree' ? tree.path : null;
    if (found !== undefined && found.worktree !== worktree) store.clones.put({ ...found, worktree });
  };

  const boundTo = (environment: EnvironmentName): CloneRecord[] =>
    store.clones
      .list()
      .filter(
        (clone) =>
          clone.environment === environment &&
          clone.repository === record().repository &&
          clone.branch !== null,
      );

  const act = async (decision: Decision, environment: EnvironmentName): Promise<void> => {
    switch (decision.kind) {
      case 'stay': {
        const kept = situation.clone === null ? undefined : store.clones.get(situation.clone);
        if (kept !== undefined && situation.key !== null) await leadTo(kept, situation.key);
        else leadNowhere('none', decision.reason, 'Wait until it has ended.');
        return;
      }
      case 'none':
        leadNowhere('none', decision.reason, decision.next);
        return;
      case 'bound': {
        const { key, renamedFrom } = decision;
        const clone = boundTo(environment).find(({ branch }) => branch === (renamedFrom ?? key));
        if (clone === undefined) return;
        if (renamedFrom !== null) {
          log.info('a branch was renamed', { clone: clone.id, from: renamedFrom, to: key });
          await making.bind(clone, { repository: record().repository, branch: key }, record());
        }
        await leadTo(store.clones.get(clone.id) ?? clone, key);
        return;
      }
      case 'ask':
        leadNowhere(
          'asking',
          `Branch ${branchName(head)} has no clone yet.`,
          'Make one: thin-clones use (or answer the question in VS Code).',
          {
            key: decision.key,
            question: { branch: branchName(head), key: decision.key, from: decision.from },
          },
        );
        return;
      case 'create': {
        const failure = making.failureOf(decision.key, headText(head));
        if (failure !== undefined) {
          leadFailed(decision.key, failure);
          return;
        }
        wait(
          decision.key,
          `The clone of ${decision.key} is being made.`,
          null,
          making.jobOf(decision.key) ?? null,
        );
        making.create({
          key: decision.key,
          head: headText(head),
          environment,
          from: decision.from,
          checkout: record(),
          previous: record().last,
          shared: workspace?.branches?.shared ?? [],
          // Nobody waits before what a person asked for.
          afterMs: wished === undefined ? waitBeforeMaking() : 0,
          isWanted: () => situation.key === decision.key && situation.state === 'switching',
        });
        if (situation.state === 'switching') situation.job = making.jobOf(decision.key) ?? null;
      }
    }
  };

  const waitBeforeMaking = (): number =>
    since === undefined ? 0 : Math.max(0, since + makeAfterMs - clock.monotonic());

  const lookOnce = async (): Promise<void> => {
    let now = record();
    if (changedAt !== undefined) {
      since = changedAt;
      changedAt = undefined;
    }
    const before = headText(head);
    head = await git.head(tree);
    // Asking where the tree is takes a process: only when its HEAD is not where it was.
    if (head.kind === 'unreadable') {
      const found = await git.locate(now.path);
      if (found?.path !== now.path) {
        leadNowhere(
          'none',
          `${now.path} is gone, or no working tree any more.`,
          'Nothing: its clones are kept.',
        );
        return;
      }
      if (found.gitDirectory !== tree.gitDirectory) await watch(found);
      tree = found;
      head = await git.head(tree);
    }
    // Branches of the same names there are others, with other data.
    if (tree.commonDirectory !== now.repository) {
      leadNowhere(
        'none',
        `${now.path} is a working tree of another repository now: ${tree.commonDirectory}.`,
        'Follow it anew: thin-clones use',
      );
      return;
    }
    const read = await workspaceFiles.read(tree.path);
    problem = read.problem;
    if (read.problem === null) workspace = read.workspace;
    if (wished !== undefined && wished.head !== headText(head)) wished = undefined;
    if (before !== headText(head)) making.forgetFailures();
    if (now.chosen !== null && now.chosen.head !== null && now.chosen.head !== headText(head)) {
      now = { ...now, chosen: null };
      store.checkouts.put(now);
    }

    const name = environmentName();
    if (name === undefined) {
      const error = fail('environment_unchosen', {
        path: now.path,
        known: store.environments.list().map((each) => each.name),
      });
      leadNowhere('none', error.message, error.document.next);
      return;
    }
    const environment = store.environments.get(name);
    if (environment === undefined) {
      leadNowhere(
        'none',
        `There is no environment "${name}".`,
        'Declare it: thin-clones env apply -f thin-clones.yaml',
      );
      return;
    }
    await ports.open(environment);

    const chosen = chosenClone(now);
    if (chosen !== undefined) {
      await leadTo(chosen, chosen.branch ?? chosen.name);
    } else if (follow() === 'off') {
      leadNowhere('off', 'This checkout is not followed.', 'Follow it: thin-clones use --follow automatic');
    } else {
      const decision = await decideNow(now, name);
      await act(
        decision.kind === 'create' ? { ...decision, from: wished?.from ?? decision.from } : decision,
        name,
      );
    }
    if (isStopped()) return;
    await variables.keep({
      ...{ record: record(), tree, workspace },
      templates: sortedVariables(environment.name).variables,
      endpoints: ports.list(),
    });
    if (ports.someTaken()) retryTakenPorts();
  };

  const decideNow = async (now: CheckoutRecord, environment: EnvironmentName): Promise<Decision> => {
    const branch = head.kind === 'unreadable' ? null : head.branch;
    const { shared = [], never = [], from = {} } = workspace?.branches ?? {};
    const input: DecisionInput = {
      head,
      policy: { follow: follow(), shared, never, from },
      // The last one counts most.
      answers:
        wished === undefined || branch === null
          ? now.answers
          : [...now.answers, { pattern: branch, answer: wished.answer }],
      bound: new Set(boundTo(environment).flatMap((clone) => clone.branch ?? [])),
      formerNames: [],
      current: situation.key,
    };
    const first = decide(input);
    // Looking for former names costs more, and only a branch without a clone can have been another one before.
    if (branch === null || input.bound.size === 0 || (first.kind !== 'ask' && first.kind !== 'create'))
      return first;
    return decide({ ...input, formerNames: await git.formerNames(tree, branch) });
  };

  const chosenClone = ({ chosen }: CheckoutRecord): CloneRecord | undefined => {
    if (chosen === null) return undefined;
    if (chosen.head === null && follow() !== 'off') return undefined;
    return store.clones.get(chosen.clone);
  };

  // Looking: one at a time, and again when something came meanwhile.
  let wanted = false;
  let looking: Promise<void> | undefined;
  const look = (): Promise<void> => {
    wanted = true;
    looking ??= (async () => {
      while (wanted && !isStopped() && store.checkouts.get(id) !== undefined) {
        wanted = false;
        try {
          await lookOnce();
        } catch (error) {
          if (isStopped() || store.checkouts.get(id) === undefined) return;
          const failure = toFailure(error);
          log.warning('a checkout could not be looked at', { checkout: id, problem: failure.message });
          leadNowhere('failed', failure.message, failure.document.next);
        }
        publish();
      }
    })().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  // HEAD: when it moves, it is looked at as soon as it stands still.
  let movedAt = 0;
  let settling = false;
  const moved = (): void => {
    movedAt = clock.monotonic();
    changedAt ??= movedAt;
    if (settling) return;
    settling = true;
    settle().catch((error: unknown) => log.error('a move of HEAD', { problem: toFailure(error).message }));
  };
  const settle = async (): Promise<void> => {
    const first = movedAt;
    try {
      for (;;) {
        const until = Math.min(movedAt + settleMs, first + settleAtMostMs);
        const left = until - clock.monotonic();
        if (left <= 0) break;
        await clock.sleep(left, stop.signal);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      return;
    } finally {
      settling = false;
    }
    await look();
  };

  let retrying = false;
  const retryTakenPorts = (): void => {
    if (retrying) return;
    retrying = true;
    void clock
      .sleep(takenPortIntervalMs, stop.signal)
      .then(
        () => {
          retrying = false;
          return look();
        },
        (error: unknown) => {
          if (!stop.signal.aborted) throw error;
        },
      )
      .catch((error: unknown) => log.error('a taken port', { problem: toFailure(error).message }));
  };

  let watcher: { close(): void } | undefined;
  const watch = async (where: WorkingTree): Promise<void> => {
    watcher?.close();
    watcher = await git.watch(where, moved);
    if (isStopped()) watcher.close();
  };

  return {
    id,
    entity,
    async start() {
      await watch(tree);
      await look();
    },
    look,
    async wish(answer, from) {
      head = await git.head(tree);
      wished = { head: headText(head), answer, from };
      making.forgetFailures();
      await look();
    },
    async retry() {
      making.forgetFailures();
      await look();
    },
    async exchangePorts() {
      await ports.exchangeTaken();
      await look();
    },
    bind: (clone, to) => making.bind(clone, to, record()),
    takeBlockOut: () => variables.takeOut(record(), tree, workspace),
    async job() {
      if (situation.state !== 'switching' || situation.key === null) return null;
      return (await making.submitted(situation.key)) ?? jobNow();
    },
    environment() {
      const name = environmentName();
      if (name !== undefined) return name;
      throw fail('environment_unchosen', {
        path: record().path,
        known: store.environments.list().map((each) => each.name),
      });
    },
    workspace: () => workspace,
    tree: () => tree,
    head: () => head,
    notice(clone) {
      if (clone !== undefined && clone.id !== situation.clone && clone.repository !== record().repository)
        return;
      void look();
    },
    async close() {
      stop.abort();
      watcher?.close();
      await looking;
      await making.close();
      await ports.close();
    },
  };

  function jobNow(): Job | null {
    return situation.job === null ? null : (context.runner.get(situation.job) ?? null);
  }
}

const branchName = (head: Head): string => (head.kind === 'branch' ? head.branch : '');
