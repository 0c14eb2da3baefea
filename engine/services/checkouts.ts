/** Use cases of checkouts: follow a working tree, use, answer, unbind, ports, variables, migrations, forget. */
import { bindingKeyOf } from '../domain/branches.ts';
import { withAnswer, type VariableAnswer } from '../domain/variables.ts';
import { busyWith } from '../jobs/runner.ts';
import type { Checkout, Clone, Connection, Job } from '../protocol/entities.ts';
import { fail, toFailure } from '../protocol/errors.ts';
import {
  checkoutIdSchema,
  referenceSchema,
  type CheckoutId,
  type CloneId,
  type EnvironmentName,
  type Reference,
} from '../protocol/ids.ts';
import type { MigrationReport } from '../protocol/migrations.ts';
import { needsConsent } from '../protocol/variableConsent.ts';
import type { WorkingTree } from '../git/git.ts';
import type { Follow, Workspace } from '../protocol/workspace.ts';
import type { CheckoutRecord, CloneRecord } from '../state/store.ts';
import { checkoutConnections } from './checkoutVariables.ts';
import type { Caller } from './caller.ts';
import type { Clones } from './clones.ts';
import { some, type ServiceContext } from './context.ts';
import type { Environments } from './environments/environments.ts';
import { createFollower, headText, type Follower } from './follower.ts';
import type { Migrations } from './migrations.ts';

/** What the janitor needs to know of a working tree that is followed. */
export interface FollowedTree {
  repository: string;
  tree: WorkingTree;
  /** Its folder is there. */
  isThere: boolean;
  workspace: Workspace | undefined;
  createdBy: string;
  /** What its ports lead to, or will. */
  clone: CloneId | null;
}

export interface Checkouts {
  /** Those that are followed by now; `restored` waits for all. */
  list(): Checkout[];
  show(checkout: Reference): Promise<Checkout>;
  /** Follows the working tree that contains the folder, or looks at it again. */
  open(
    request: { folder: string; environment?: Reference | undefined; follow?: Follow | null | undefined },
    caller: Caller,
  ): Promise<Checkout>;
  forget(checkout: Reference): Promise<void>;
  connection(checkout: Reference): Promise<Connection[]>;
  use(
    checkout: Reference,
    request: { clone?: Reference | undefined; from?: string | undefined },
    caller: Caller,
  ): Promise<{ checkout: Checkout; job: Job | null }>;
  unbind(checkout: Reference): Promise<Checkout>;
  answer(
    checkout: Reference,
    request: {
      branch: string;
      answer: 'create' | 'none';
      from?: string | undefined;
      remember?: 'once' | 'branch' | 'pattern' | 'workspace' | undefined;
      pattern?: string | undefined;
    },
  ): Promise<Checkout>;
  exchangePorts(checkout: Reference): Promise<Checkout>;
  setEnvFile(
    checkout: Reference,
    request: { file: string | null; allowTracked?: boolean | undefined },
  ): Promise<Checkout>;
  /** For all checkouts of the repository. Errors: `variable_unasked`. */
  answerVariable(checkout: Reference, answer: VariableAnswer): Promise<Checkout>;
  followed(): readonly FollowedTree[];
  migrations(checkout: Reference, signal?: AbortSignal): Promise<MigrationReport[]>;
  /** Follows what was followed before; call once, when state and data are compared. */
  start(): Promise<void>;
  /** Resolves when everything is followed that was followed before. */
  restored(): Promise<void>;
  /** Ends watching and closes all ports; clones go on. */
  close(): Promise<void>;
}

/** Opened at once at a start. */
const opensAtOnce = 4;

export interface CheckoutsOptions {
  context: ServiceContext;
  clones: Clones;
  environments: Environments;
  migrations: Migrations;
}

export function createCheckouts({ context, clones, environments, migrations }: CheckoutsOptions): Checkouts {
  const { store, git, vault, random, clock, feed, log, catalog, runner } = context;
  const followers = new Map<CheckoutId, Follower>();
  /** One follower for a folder, whoever asks for it, and when: by path. */
  const opening = new Map<string, Promise<Follower | undefined>>();
  let restored: Promise<void> = Promise.resolve();
  /** What was last told of a clone or an environment, so that measured sizes disturb nobody. */
  const seen = new Map<string, string>();
  let unsubscribe: () => void = () => undefined;

  /** Also of one whose turn has not come after a start. */
  const followerOf = async (reference: Reference): Promise<Follower> => {
    const wanted: string = reference;
    const record = store.checkouts.list().find(({ id, path }) => id === wanted || path === wanted);
    const found = record === undefined ? undefined : await follow(record);
    if (found === undefined)
      throw fail('not_found', {
        kind: 'checkout',
        name: reference,
        known: store.checkouts.list().map(({ path }) => path),
      });
    return found;
  };
  const recordOf = (follower: Follower): CheckoutRecord => {
    const record = store.checkouts.get(follower.id);
    if (record === undefined) throw fail('not_found', { kind: 'checkout', name: follower.id });
    return record;
  };
  const change = (follower: Follower, changes: Partial<CheckoutRecord>): void => {
    store.checkouts.put({ ...recordOf(follower), ...changes });
  };

  /**
   * One for all clones of a repository: which environment a checkout uses may only be known from its files, and two of them may lead
   * to one clone.
   */
  const passwordFor = (repository: string): string => {
    const isOfIt = (each: { repository: string | null }): boolean => each.repository === repository;
    const holder = store.checkouts.list().find(isOfIt) ?? store.clones.list().find(isOfIt);
    return holder?.sealedPassword ?? vault.seal(random.password());
  };

  const variableAnswersFor = (repository: string): VariableAnswer[] =>
    store.checkouts.list().find((each) => each.repository === repository)?.variableAnswers ?? [];

  const addFollower = async (id: CheckoutId, path: string): Promise<Follower | undefined> => {
    const tree = await git.locate(path);
    const record = store.checkouts.get(id);
    if (record === undefined) return undefined;
    const follower = createFollower({
      ...{ context, clones, id },
      dropSnapshot: (snapshot, user) => {
        try {
          environments.deleteSnapshot(snapshot, { user });
        } catch (error) {
          // best effort: it stays as a snapshot like any other, and people can delete it
          log.warning('a snapshot is left over', { snapshot, problem: toFailure(error).message });
        }
      },
      tree: tree ?? {
        ...{ path: record.path, gitDirectory: record.repository, commonDirectory: record.repository },
        kind: record.kind,
      },
    });
    followers.set(id, follower);
    await follower.start();
    return follower;
  };

  const follow = async ({ id, path }: { id: CheckoutId; path: string }): Promise<Follower | undefined> => {
    const underway = opening.get(path);
    if (underway !== undefined) return underway;
    const running = followers.get(id);
    if (running !== undefined) return running;
    const opened = addFollower(id, path).finally(() => opening.delete(path));
    opening.set(path, opened);
    return opened;
  };

  const followAnew = async (folder: string, environment: EnvironmentName | null, user: string) => {
    const tree = await git.locate(folder);
    if (tree === undefined) throw fail('not_a_checkout', { folder });
    const recordHere = () => store.checkouts.list().find(({ path }) => path === tree.path);
    const before = recordHere();
    // What was said of another repository's working tree does not count for this one's.
    if (before !== undefined && before.repository !== tree.commonDirectory) await drop(before);
    const known = recordHere();
    const id = known?.id ?? checkoutIdSchema.parse(`checkout-${random.id()}`);
    if (known === undefined) {
      store.checkouts.put({
        ...{ id, path: tree.path, repository: tree.commonDirectory, kind: tree.kind, environment },
        ...{ createdBy: user, createdAt: clock.now().toISOString(), follow: null, answers: [], ports: [] },
        sealedPassword: passwordFor(tree.commonDirectory),
        ...{
          envFile: null,
          chosen: null,
          last: null,
          variableAnswers: variableAnswersFor(tree.commonDirectory),
        },
      });
    }
    const follower = await follow({ id, path: tree.path });
    if (follower === undefined) throw fail('not_a_checkout', { folder });
    return follower;
  };

  const drop = async ({ id, path }: { id: CheckoutId; path: string }): Promise<void> => {
    await opening.get(path);
    const follower = followers.get(id);
    await follower?.close();
    followers.delete(id);
    if (store.checkouts.get(id) === undefined) return;
    store.checkouts.remove(id);
    feed.publish({ kind: 'checkout.removed', id });
  };

  const bindOrChoose = async (follower: Follower, reference: Reference): Promise<void> => {
    const clone = catalog.clone(reference);
    const record = recordOf(follower);
    const environment = follower.environment();
    if (clone.environment !== environment)
      throw fail('clone_foreign', { clone: clone.name, environment: clone.environment, wanted: environment });
    if (clone.repository !== null && clone.repository !== record.repository)
      throw fail('clone_bound_elsewhere', {
        clone: clone.name,
        branch: clone.branch ?? '',
        repository: clone.repository,
      });
    // It has one password, and that of this repository would end their logins.
    const lentTo = [...followers.values()].find(
      (each) => each.entity().clone === clone.id && recordOf(each).repository !== record.repository,
    );
    if (lentTo !== undefined) throw fail('clone_lent', { clone: clone.name, path: recordOf(lentTo).path });
    const head = follower.head();
    const isFollowed = follower.entity().follow !== 'off';
    const branch = head.kind === 'branch' ? head.branch : null;
    if (isFollowed && branch !== null && clone.branch === null) {
      const key = bindingKeyOf(branch, follower.workspace()?.branches?.shared ?? []);
      const before = boundClone(record, environment, key);
      const to = { repository: record.repository, branch: key };
      if (before === undefined) await follower.bind(clone, to);
      else await bindInstead(follower, before, clone, to);
      change(follower, {
        chosen: null,
        answers: record.answers.filter(({ pattern }) => pattern !== branch),
      });
      return;
    }
    // Another branch's clone is lent, not taken away; and without a branch there is nothing to bind to.
    change(follower, { chosen: { clone: clone.id, head: isFollowed ? headText(head) : null } });
  };

  /** Or everything is as it was: a branch that lost its clone would get a new one. */
  const bindInstead = async (
    follower: Follower,
    before: CloneRecord,
    clone: CloneRecord,
    to: { repository: string; branch: string },
  ): Promise<void> => {
    const holder = runner.holder([{ key: clone.id, mode: 'exclusive' }]);
    if (holder !== undefined) throw busyWith(holder, { kind: 'clone', name: clone.name });
    await follower.bind(before, null);
    try {
      await follower.bind(clone, to);
    } catch (error) {
      await follower.bind(before, to);
      throw error;
    }
  };

  const boundClone = (
    { repository }: CheckoutRecord,
    environment: EnvironmentName,
    key: string,
  ): CloneRecord | undefined => catalog.clonesOfBranch(environment, { repository, branch: key })[0];

  const refuseWithoutBranch = (follower: Follower): void => {
    const head = follower.head();
    if (head.kind === 'branch') return;
    const reason =
      head.kind === 'detached' ? `HEAD is detached at ${head.commit.slice(0, 10)}` : head.problem;
    throw fail('no_branch', { path: recordOf(follower).path, reason });
  };

  /** A branch that a person named, and not a setting for whatever is there, is not to be taken for the latest snapshot. */
  const refuseWithoutStart = (follower: Follower, from: string | undefined): void => {
    if (from === undefined || from === 'latest' || from === 'current') return;
    const record = recordOf(follower);
    const key = bindingKeyOf(from, follower.workspace()?.branches?.shared ?? []);
    if (boundClone(record, follower.environment(), key) !== undefined) return;
    throw fail('no_clone_for_branch', {
      ...{ path: record.path, branch: from },
      reason: 'no other branch can start from its state',
    });
  };

  const api: Checkouts = {
    list: () => [...followers.values()].map((follower) => follower.entity()),
    show: async (reference) => (await followerOf(reference)).entity(),
    async open({ folder, environment, follow }, caller) {
      const name = environment === undefined ? undefined : catalog.environment(environment).name;
      const follower = await followAnew(folder, name ?? null, caller.user);
      const record = recordOf(follower);
      const isOther = name !== undefined && name !== record.environment;
      if (isOther || (follow !== undefined && follow !== record.follow)) {
        change(follower, {
          ...(follow === undefined ? {} : { follow }),
          ...(isOther ? { environment: name, chosen: null } : {}),
        });
      }
      await follower.retry();
      return follower.entity();
    },
    async forget(reference) {
      const follower = await followerOf(reference);
      // While it can still be refused; and once more, as a look that ran meanwhile may have written it again.
      await follower.takeBlockOut();
      await follower.close();
      await follower.takeBlockOut();
      await drop(recordOf(follower));
    },
    async connection(reference) {
      const follower = await followerOf(reference);
      return checkoutConnections(context, recordOf(follower), follower.entity().endpoints);
    },
    async use(reference, { clone, from }, caller) {
      const follower = await followerOf(reference);
      log.info('a checkout uses a clone', { checkout: follower.id, by: caller.user });
      follower.environment();
      if (clone !== undefined) {
        await bindOrChoose(follower, clone);
        await follower.retry();
      } else {
        refuseWithoutBranch(follower);
        refuseWithoutStart(follower, from);
        const record = recordOf(follower);
        const head = follower.head();
        const branch = head.kind === 'branch' ? head.branch : '';
        const key = bindingKeyOf(branch, follower.workspace()?.branches?.shared ?? []);
        // Who asks for a clone takes back that the branch was to have none.
        change(follower, {
          chosen: null,
          answers: record.answers.filter(({ pattern }) => pattern !== branch && pattern !== key),
          // Back to what the file says, unless that is off.
          ...(follower.entity().follow === 'off'
            ? { follow: follower.workspace()?.follow === 'off' ? ('ask' as const) : null }
            : {}),
        });
        await follower.wish('clone', from);
      }
      const job = await follower.job();
      return { checkout: follower.entity(), job };
    },
    async unbind(reference) {
      const follower = await followerOf(reference);
      const record = recordOf(follower);
      const { key } = follower.entity();
      const head = follower.head();
      const bound = key === null ? undefined : boundClone(record, follower.environment(), key);
      if (record.chosen === null && bound === undefined)
        throw fail('no_clone_for_branch', {
          path: record.path,
          branch: head.kind === 'branch' ? head.branch : 'without a name',
          reason: 'there is none to unbind',
        });
      if (record.chosen !== null) {
        change(follower, { chosen: null });
      } else if (bound !== undefined && key !== null) {
        // First: else another clone would be made at once. A branch's own clone counts more, as long as it is bound.
        const answers = record.answers.filter(({ pattern }) => pattern !== key);
        change(follower, { answers: [...answers, { pattern: key, answer: 'none' }] });
        await follower.bind(bound, null);
      }
      await follower.retry();
      return follower.entity();
    },
    async answer(reference, { branch, answer, from, remember = 'once', pattern }) {
      const follower = await followerOf(reference);
      const record = recordOf(follower);
      const head = follower.head();
      if (head.kind !== 'branch' || head.branch !== branch)
        throw fail('question_changed', { path: record.path });
      if (answer === 'create') refuseWithoutStart(follower, from);
      const kind = answer === 'create' ? 'clone' : 'none';
      if (remember === 'workspace') {
        change(follower, { follow: kind === 'clone' ? 'automatic' : 'off' });
      } else if (remember !== 'once') {
        const remembered = remember === 'branch' ? branch : (pattern ?? branch);
        change(follower, {
          answers: [
            ...record.answers.filter((each) => each.pattern !== remembered),
            { pattern: remembered, answer: kind },
          ],
        });
      }
      await follower.wish(kind, from);
      return follower.entity();
    },
    async exchangePorts(reference) {
      const follower = await followerOf(reference);
      await follower.exchangePorts();
      return follower.entity();
    },
    async setEnvFile(reference, { file, allowTracked = false }) {
      const follower = await followerOf(reference);
      if (file !== null && !allowTracked && (await git.isTracked(follower.tree(), file)))
        throw fail('env_file_tracked', { file });
      const before = recordOf(follower).envFile;
      if (before?.file !== file) await follower.takeBlockOut();
      change(follower, { envFile: file === null ? null : { file, allowTracked } });
      await follower.retry();
      const { envFile } = follower.entity();
      if (file !== null && envFile?.state === 'failed') {
        change(follower, { envFile: before });
        await follower.retry();
        throw fail('env_file_failed', { file, problem: envFile.problem ?? 'it can not be written' });
      }
      return follower.entity();
    },
    async answerVariable(reference, answer) {
      const follower = await followerOf(reference);
      const { path, repository } = recordOf(follower);
      const { name, value } = answer;
      const isThere = follower.workspace()?.variables?.[name] === value;
      if (!isThere || !needsConsent(name, value)) throw fail('variable_unasked', { path, name });
      store.transaction(() => {
        for (const record of store.checkouts.list().filter((each) => each.repository === repository))
          store.checkouts.put({ ...record, variableAnswers: withAnswer(record.variableAnswers, answer) });
      });
      await Promise.all(
        [...followers.values()]
          .filter((each) => recordOf(each).repository === repository)
          .map((each) => each.look()),
      );
      return follower.entity();
    },
    followed: () =>
      [...followers.values()].flatMap((follower) => {
        const record = store.checkouts.get(follower.id);
        if (record === undefined) return [];
        const { repository, createdBy } = record;
        const isThere = follower.head().kind !== 'unreadable';
        const { clone } = follower.entity();
        return [
          { repository, createdBy, clone, tree: follower.tree(), isThere, workspace: follower.workspace() },
        ];
      }),
    async migrations(reference, signal) {
      const follower = await followerOf(reference);
      const { clone: id, path, reason, next } = follower.entity();
      const clone = id === null ? undefined : store.clones.get(id);
      if (clone === undefined)
        throw fail('checkout_not_ready', {
          path,
          reason: reason ?? 'Its clone is not there any more.',
          next: next ?? 'Make one: thin-clones use',
        });
      return migrations.report({ clone, tree: path, settings: follower.workspace()?.migrations }, signal);
    },
    async start() {
      unsubscribe = feed.subscribe({ epoch: feed.epoch, seq: feed.seq() }, (event) => {
        switch (event.kind) {
          case 'clone':
            if (isNews(event.entity.id, JSON.stringify(portsAndState(event.entity))))
              for (const each of followers.values()) each.notice(event.entity);
            return;
          case 'clone.removed':
            seen.delete(event.id);
            for (const each of followers.values())
              // There may be room now for what failed for want of it.
              if (each.entity().state === 'failed') void each.retry();
              else each.notice({ id: event.id, repository: null });
            return;
          case 'environment':
            if (
              isNews(
                event.entity.name,
                JSON.stringify([event.entity.definition, event.entity.latestSnapshot]),
              )
            )
              for (const each of followers.values()) void each.retry();
            return;
          case 'environment.removed':
            seen.delete(event.name);
            for (const each of followers.values()) void each.retry();
            return;
          default:
        }
      });
      restored = some(store.checkouts.list(), opensAtOnce, async ({ id, path, kind }) => {
        try {
          const follower = await follow({ id, path });
          // Working trees come and go by the dozen; what belongs to one that went stays with its clones.
          if (
            kind === 'worktree' &&
            follower?.head().kind === 'unreadable' &&
            (await git.locate(path)) === undefined
          )
            await api.forget(referenceSchema.parse(id));
        } catch (error) {
          log.warning('a checkout can not be followed', { checkout: id, problem: toFailure(error).message });
        }
      });
      await restored;
    },
    restored: () => restored,
    async close() {
      unsubscribe();
      await Promise.all([...followers.values()].map((follower) => follower.close()));
      followers.clear();
    },
  };
  return api;

  function isNews(key: string, text: string): boolean {
    if (seen.get(key) === text) return false;
    seen.set(key, text);
    return true;
  }
}

/** What of a clone matters to where ports lead. */
function portsAndState({ state, branch, repository, members }: Clone): unknown {
  return [state, branch, repository, members.map((member) => [member.port, member.state])];
}
