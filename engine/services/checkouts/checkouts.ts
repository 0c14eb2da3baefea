/** Use cases of checkouts: follow a working tree, use, answer, unbind, ports, variables, migrations, forget. */
import type { VariableAnswer } from '../../domain/variables.ts';
import type { WorkingTree } from '../../git/git.ts';
import type { Checkout, Connection, Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import type { CloneId, Reference } from '../../protocol/ids.ts';
import type { MigrationReport } from '../../protocol/migrationReport.ts';
import type { Workspace } from '../../protocol/workspace.ts';
import type { Follow } from '../../protocol/follow.ts';
import type { Caller } from '../caller.ts';
import type { ServiceContext } from '../context.ts';
import { answerQuestion, type Answer } from './answer.ts';
import { setEnvFile } from './envFile.ts';
import type { Follower } from './follower.ts';
import { theEnvironment, type Hosts } from './hosts.ts';
import type { Migrations } from './migrationReports.ts';
import { createCheckoutRegistry } from './registry.ts';
import { stopUsing, useBranchClone, useNamedClone } from './use.ts';
import { answerVariable } from './variableConsent.ts';
import { checkoutConnections } from './variables.ts';

/** What the clean-up needs to know of a working tree that is followed. */
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
  answer(checkout: Reference, answer: Answer): Promise<Checkout>;
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

export interface CheckoutsOptions {
  context: ServiceContext;
  hosts: Hosts;
  migrations: Migrations;
}

export function createCheckouts({ context, hosts, migrations }: CheckoutsOptions): Checkouts {
  const { store, log } = context;
  const registry = createCheckoutRegistry({ context, hosts });
  let restored: Promise<void> = Promise.resolve();

  /** Does it, and tells how the checkout is then. */
  const after = async (
    reference: Reference,
    work: (follower: Follower) => Promise<void>,
  ): Promise<Checkout> => {
    const follower = await registry.find(reference);
    await work(follower);
    return follower.entity();
  };

  const migrationsOf = async (follower: Follower, signal?: AbortSignal): Promise<MigrationReport[]> => {
    const { clone: id, path, reason, next } = follower.entity();
    const found = id === null ? undefined : hosts.holding(id);
    if (found === undefined)
      throw fail('checkout_not_ready', {
        path,
        reason: reason ?? 'Its clone is not there any more.',
        next: next ?? 'Make one: thin-clones use',
      });
    const { at, clone } = found;
    const request = { clone, tree: path, settings: follower.workspace()?.migrations };
    return migrations.report(at.reads, request, signal);
  };

  /** Somebody wants it now: a host that is out of reach is tried at once. */
  const awaken = async (follower: Follower): Promise<void> => {
    const { environment } = follower.entity();
    if (environment !== null) await hosts.of(environment).awaken();
  };

  const followedTree = (follower: Follower): FollowedTree[] => {
    if (store.checkouts.get(follower.id) === undefined) return [];
    const { repository, createdBy } = follower.record();
    const isThere = follower.head().kind !== 'unreadable';
    const { clone } = follower.entity();
    return [
      { repository, createdBy, clone, tree: follower.tree(), isThere, workspace: follower.workspace() },
    ];
  };

  return {
    list: () => registry.followers().map((follower) => follower.entity()),
    show: async (reference) => (await registry.find(reference)).entity(),
    async open({ folder, environment, follow }, caller) {
      await hosts.ready();
      const name = environment === undefined ? undefined : theEnvironment(hosts, environment);
      const follower = await registry.follow(folder, name ?? null, caller.user);
      const before = follower.record();
      if (follow !== undefined && follow !== before.follow) follower.change({ follow });
      if (name !== undefined && name !== before.environment)
        follower.change({ environment: name, chosen: null });
      await awaken(follower);
      await follower.retry();
      return follower.entity();
    },
    forget: (reference) => registry.forget(reference),
    async connection(reference) {
      const follower = await registry.find(reference);
      return checkoutConnections(context, follower.record(), follower.entity().endpoints);
    },
    async use(reference, { clone, from }, caller) {
      const follower = await registry.find(reference);
      log.info('a checkout uses a clone', { checkout: follower.id, by: caller.user });
      follower.environment();
      await awaken(follower);
      if (clone === undefined) await useBranchClone(hosts, follower, from);
      else await useNamedClone(hosts, follower, registry.followers(), clone);
      const job = await follower.job();
      return { checkout: follower.entity(), job };
    },
    unbind: (reference) => after(reference, (follower) => stopUsing(hosts, follower)),
    answer: (reference, answer) => after(reference, (follower) => answerQuestion(hosts, follower, answer)),
    exchangePorts: (reference) => after(reference, (follower) => follower.exchangePorts()),
    setEnvFile: (reference, request) =>
      after(reference, (follower) => setEnvFile(context, follower, request)),
    answerVariable: (reference, answer) =>
      after(reference, (follower) => answerVariable(context, follower, registry.followers(), answer)),
    followed: () => registry.followers().flatMap(followedTree),
    migrations: async (reference, signal) => migrationsOf(await registry.find(reference), signal),
    start() {
      restored = registry.restore();
      return restored;
    },
    restored: () => restored,
    close: () => registry.close(),
  };
}
