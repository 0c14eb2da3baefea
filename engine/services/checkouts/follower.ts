/** The life of one checkout: looks when HEAD moves, finds or makes the clone that belongs to it, and leads its ports there. */
import { leadNowhere, type Situation } from '../../domain/leading.ts';
import type { WorkingTree } from '../../git/git.ts';
import type { Binding } from '../../domain/bindings.ts';
import type { Checkout, Clone, Head, Job } from '../../protocol/entities.ts';
import { toFailure } from '../../protocol/errors.ts';
import type { CheckoutId, CloneId, EnvironmentName, HostName } from '../../protocol/ids.ts';
import type { Workspace } from '../../protocol/workspace.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';
import { createBranchClones, type BranchClones } from './branchClones.ts';
import { createHeadMoves } from './headMoves.ts';
import { isConcerned, type Hosts } from './hosts.ts';
import { createLook, environmentUnchosen } from './look.ts';
import { createLooking } from './looking.ts';
import { createCheckoutPorts } from './ports.ts';
import { createCheckoutRow } from './row.ts';
import { createShownCheckout } from './shown.ts';
import { createSight, type PresentAnswer } from './sight.ts';
import { createCheckoutSituation } from './situation.ts';
import { createStartRequest } from './startRequest.ts';
import { createRetryOfTakenPorts } from './takenPorts.ts';
import { createCheckoutVariables } from './variables.ts';

export interface Follower {
  readonly id: CheckoutId;
  entity(): Checkout;
  /** What is remembered of the checkout. */
  record(): CheckoutRecord;
  change(changes: Partial<CheckoutRecord>): void;
  /** Watches HEAD from now on. */
  start(): Promise<void>;
  /** Looks now; resolves when state and ports say what follows from HEAD, with the job of a clone that is on its way. */
  look(): Promise<void>;
  /** A person's word about the present branch; errors that were told are forgotten, and what failed is tried again. */
  answerNow(answer: PresentAnswer['answer'], from?: string): Promise<void>;
  /** What failed before is worth another try. */
  retry(): Promise<void>;
  /** As `retry`, and a clone that a person stopped is to run again. */
  askFor(): Promise<void>;
  exchangePorts(): Promise<void>;
  /** Binds a clone to a branch, or to none. */
  bind(clone: Clone, to: Binding | null): Promise<void>;
  /** Makes no clone for the branch meanwhile. */
  holdBack(work: () => Promise<void>): Promise<void>;
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
  notice(clone: { id: CloneId; repository: string | null }): void;
  /** What is known of a host is another than before: as `retry`, where it has what this uses. */
  noticeHost(host: HostName | undefined): void;
  close(): Promise<void>;
}

export interface FollowerOptions {
  context: ServiceContext;
  hosts: Hosts;
  id: CheckoutId;
  tree: WorkingTree;
}

export function createFollower(options: FollowerOptions): Follower {
  const { context, hosts, id, tree } = options;
  const { log } = context;
  const stop = new AbortController();
  const row = createCheckoutRow(context, id);
  const isOver = (): boolean => stop.signal.aborted || !row.isThere();
  const ports = createCheckoutPorts(context, row);
  const variables = createCheckoutVariables(context);
  const situation = createCheckoutSituation(context, hosts, row, ports, () => sight.workspace());
  const moves = createHeadMoves({ context, signal: stop.signal, onStill: () => looking.look() });
  const sight = createSight({ context, hosts, row, tree, onMoved: (found) => moves.watch(found) });
  const making: BranchClones = createBranchClones({
    context,
    onChange: () => void looking.look(),
  });
  const startRequest = createStartRequest();
  const look = createLook({ context, hosts, row, sight, situation, ports, making, startRequest });
  const shown = createShownCheckout({ context, hosts, row, sight, situation, ports, variables });
  const retryTakenPorts = createRetryOfTakenPorts(context, stop.signal, () => looking.look());

  const lookAndKeep = async (): Promise<void> => {
    const movedAt = moves.take();
    if (movedAt !== undefined) situation.headMovedAt(movedAt);
    const name = await look.look();
    if (name === undefined || isOver()) return;
    await variables.keep({
      ...{ record: row.read(), tree: sight.tree(), workspace: sight.workspace() },
      templates: shown.variables(name).variables,
      endpoints: ports.list(),
    });
    if (ports.someTaken()) retryTakenPorts();
  };

  const looking = createLooking(async () => {
    if (isOver()) return;
    try {
      await lookAndKeep();
    } catch (error) {
      if (isOver()) return;
      const { message, document } = toFailure(error);
      log.warning('a checkout could not be looked at', { checkout: id, problem: message });
      situation.lead(leadNowhere('failed', message, document.next));
    }
    if (!isOver()) shown.publish();
  });

  const retry = (): Promise<void> => {
    making.forgetFailures();
    return looking.look();
  };

  return {
    id,
    entity: () => shown.entity(),
    record: () => row.read(),
    change: (changes) => row.change(changes),
    async start() {
      await moves.watch(tree);
      await looking.look();
    },
    look: () => looking.look(),
    async answerNow(answer, from) {
      await sight.readHead();
      sight.setAnswer(answer, from);
      if (answer === 'clone') startRequest.ask();
      await retry();
    },
    retry,
    askFor() {
      startRequest.ask();
      return retry();
    },
    async exchangePorts() {
      await ports.exchangeTaken();
      await looking.look();
    },
    bind: (clone, to) => making.bind(hosts.holding(clone.id)?.at ?? hosts.own, clone, to, row.read()),
    holdBack: (work) => making.holdBack(work),
    takeBlockOut: () => variables.takeOut(row.read(), sight.tree(), sight.workspace()),
    job: () => jobUnderway(() => situation.now(), making, hosts),
    environment: () => theOne(sight.environment(), () => environmentUnchosen(hosts, row.read())),
    workspace: () => sight.workspace(),
    tree: () => sight.tree(),
    head: () => sight.head(),
    notice(clone) {
      const isMine = clone.id === situation.now().clone || clone.repository === row.read().repository;
      look.letWait(clone.id);
      if (isMine) void looking.look();
    },
    noticeHost(host) {
      if (!isConcerned(hosts, sight.environment(), host)) return;
      void retry();
    },
    async close() {
      stop.abort();
      moves.close();
      await looking.ended();
      await making.close();
      await ports.close();
    },
  };
}

function theOne<Value>(found: Value | undefined, problem: () => Error): Value {
  if (found === undefined) throw problem();
  return found;
}

/** That which makes or starts the clone which is waited for, if one does. */
async function jobUnderway(
  situation: () => Situation,
  making: BranchClones,
  hosts: Hosts,
): Promise<Job | null> {
  const { state, key } = situation();
  if (state !== 'switching' || key === null) return null;
  const submitted = await making.submitted(key);
  if (submitted !== undefined) return submitted;
  const { job } = situation();
  if (job === null) return null;
  return (
    hosts
      .all()
      .map((at) => at.job(job))
      .find((found) => found !== undefined) ?? null
  );
}
