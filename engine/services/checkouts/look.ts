/** One look at a checkout: what follows from its HEAD, and what has to be done for it. */
import { decide, type Decision, type DecisionInput } from '../../domain/branches.ts';
import { leadLater, leadNowhere, leadOutOfReach, leadTo } from '../../domain/leading.ts';
import type { Clone, Head } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import type { CloneId, EnvironmentName } from '../../protocol/ids.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';
import type { BranchClones } from './branchClones.ts';
import type { HostClones } from './hostClones.ts';
import { bindingAt, clonesOfRepository, type Hosts } from './hosts.ts';
import type { CheckoutPorts } from './ports.ts';
import type { CheckoutRow } from './row.ts';
import { standsAt, type Sight } from './sight.ts';
import type { CheckoutSituation } from './situation.ts';
import type { StartRequest } from './startRequest.ts';

/** HEAD has to stand still for this long before a clone is made for it: who steps through branches does not want one of each. */
const makeAfterMs = 150;

const stopsItsServers: ReadonlySet<Clone['state']> = new Set([
  'resetting',
  'committing',
  'stopping',
  'destroying',
]);

export interface LookOptions {
  context: Pick<ServiceContext, 'git' | 'clock' | 'log'>;
  hosts: Hosts;
  row: CheckoutRow;
  sight: Sight;
  situation: CheckoutSituation;
  ports: Pick<CheckoutPorts, 'open'>;
  making: BranchClones;
  startRequest: StartRequest;
}

export interface Look {
  /** Looks once; with the environment whose ports are open then, if there is one. */
  look(): Promise<EnvironmentName | undefined>;
  /**
   * Lets connections wait, or ends and refuses them, if a job has begun on this clone that stops its servers, in the turn that tells
   * of it: a look takes its time, and meanwhile sessions would end without a word, and new ones reach servers that are about to end.
   */
  letWait(clone: CloneId): void;
}

export function createLook(options: LookOptions): Look {
  const { hosts, row, sight, situation, ports, making, startRequest } = options;
  const { lead, goesOn } = createLeadToClone(options);

  const follow = async (environment: EnvironmentName): Promise<void> => {
    const chosen = chosenClone(hosts, row.read(), sight);
    if (chosen !== undefined) {
      await lead(chosen.at, chosen.clone, chosen.clone.branch ?? chosen.at.nameOf(chosen.clone));
    } else if (sight.follow() === 'off') {
      situation.lead(
        leadNowhere('off', 'This checkout is not followed.', 'Follow it: thin-clones use --follow automatic'),
      );
    } else {
      await act(options, lead, await decideNow(options, environment), environment);
    }
  };

  const look: Look['look'] = async () => {
    const before = standsAt(sight.head());
    const found = await sight.look();
    if (found !== 'seen') {
      situation.lead(found === 'gone' ? goneLead(row.read()) : foreignLead(row.read(), sight));
      return undefined;
    }
    const stand = standsAt(sight.head());
    if (before !== stand) making.forgetFailures();
    if (sight.follow() !== 'off') startRequest.sees(sight.head().kind === 'unreadable' ? undefined : stand);
    const name = sight.environment();
    const environment = name === undefined ? undefined : hosts.environment(name);
    if (environment === undefined) {
      situation.lead(name === undefined ? unchosenLead(options) : absentLead(hosts, name));
      return undefined;
    }
    await ports.open(environment, hosts.of(environment.name));
    await follow(environment.name);
    keepEnvironment(options, environment.name);
    return environment.name;
  };

  return {
    look,
    letWait(id) {
      const { state, key, clone: current } = situation.now();
      const found = state === 'ready' && id === current ? hosts.holding(id) : undefined;
      if (found === undefined || key === null || goesOn(found.at, found.clone)) return;
      const { at, clone } = found;
      if (!stopsItsServers.has(clone.state)) return;
      if (clone.state === 'destroying') sight.setAnswer('none');
      const job = at.jobOn(clone)?.id ?? null;
      situation.lead(leadTo(named(at, clone), { key, job, failure: undefined }));
    },
  };
}

/** Who answered for a checkout, or works on a clone of it, keeps its environment when there are others, too. */
function keepEnvironment({ row, sight, situation }: LookOptions, name: EnvironmentName): void {
  const { answers, usedEnvironment } = row.read();
  const isUsed = answers.length > 0 || sight.answer() !== undefined || situation.now().clone !== null;
  if (isUsed && usedEnvironment !== name) row.change({ usedEnvironment: name });
}

const goneLead = ({ path }: CheckoutRecord) =>
  leadNowhere('none', `${path} is gone, or no working tree any more.`, 'Nothing: its clones are kept.');

/** Branches of the same names there are others, with other data. */
const foreignLead = ({ path }: CheckoutRecord, sight: Sight) =>
  leadNowhere(
    'none',
    `${path} is a working tree of another repository now: ${sight.tree().commonDirectory}.`,
    'Follow it anew: thin-clones use',
  );

const unchosenLead = ({ hosts, row }: LookOptions) => {
  const { message, document } = environmentUnchosen(hosts, row.read());
  return leadNowhere('none', message, document.next);
};

function absentLead(hosts: Hosts, name: EnvironmentName) {
  const outOfReach = hosts.of(name).outOfReach();
  if (outOfReach !== undefined) return leadNowhere('none', outOfReach.reason, outOfReach.next);
  const orHost = name.includes('/') ? ', or join its host: thin-clones host add' : '';
  return leadNowhere(
    'none',
    `There is no environment "${name}".`,
    `Declare it: thin-clones env apply -f thin-clones.yaml${orHost}`,
  );
}

export const environmentUnchosen = (
  hosts: Pick<Hosts, 'environments'>,
  { path }: Pick<CheckoutRecord, 'path'>,
) => fail('environment_unchosen', { path, known: hosts.environments().map(({ name }) => name) });

/** The clone that a person chose, while that counts. */
function chosenClone(hosts: Hosts, { chosen }: CheckoutRecord, sight: Sight): ReturnType<Hosts['holding']> {
  if (chosen === null) return undefined;
  if (chosen.head === null && sight.follow() !== 'off') return undefined;
  return hosts.holding(chosen.clone);
}

const boundTo = ({ hosts, row }: LookOptions, environment: EnvironmentName): Clone[] =>
  clonesOfRepository(hosts.of(environment), row.read().repository).filter(
    (clone) => clone.environment === environment,
  );

/** As people call it. */
const named = (at: HostClones, clone: Clone) => ({ ...clone, name: at.nameOf(clone) });

async function decideNow(options: LookOptions, environment: EnvironmentName): Promise<Decision> {
  const { context, row, sight, situation } = options;
  const { answers } = row.read();
  const head = sight.head();
  const answer = sight.answer();
  const branch = head.kind === 'unreadable' ? null : head.branch;
  const { shared = [], never = [], from = {} } = sight.workspace()?.branches ?? {};
  const input: DecisionInput = {
    head,
    policy: { follow: sight.follow(), shared, never, from },
    // The last one counts most.
    answers:
      answer === undefined || branch === null
        ? answers
        : [...answers, { pattern: branch, answer: answer.answer }],
    bound: new Set(boundTo(options, environment).flatMap((clone) => clone.branch ?? [])),
    formerNames: [],
    current: situation.now().key,
  };
  const first = decide(input);
  // Looking for former names costs more, and only a branch without a clone can have been another one before.
  if (branch === null || input.bound.size === 0 || (first.kind !== 'ask' && first.kind !== 'create'))
    return first;
  return decide({ ...input, formerNames: await context.git.formerNames(sight.tree(), branch) });
}

type LeadToClone = (at: HostClones, clone: Clone, key: string) => Promise<void>;

async function act(
  options: LookOptions,
  lead: LeadToClone,
  decision: Decision,
  environment: EnvironmentName,
): Promise<void> {
  const { context, hosts, row, sight, situation, making } = options;
  const at = hosts.of(environment);
  switch (decision.kind) {
    case 'stay': {
      const { clone, key } = situation.now();
      const kept = clone === null ? undefined : hosts.holding(clone);
      if (kept !== undefined && key !== null) await lead(kept.at, kept.clone, key);
      else situation.lead(leadNowhere('none', decision.reason, 'Wait until it has ended.'));
      return;
    }
    case 'none':
      situation.lead(leadNowhere('none', decision.reason, decision.next));
      return;
    case 'bound': {
      const { key, renamedFrom } = decision;
      const clone = boundTo(options, environment).find(({ branch }) => branch === (renamedFrom ?? key));
      if (clone === undefined) return;
      if (renamedFrom !== null && at.outOfReach() === undefined) {
        context.log.info('a branch was renamed', { clone: clone.id, from: renamedFrom, to: key });
        // Its data is the branch's own all the same while something works on it.
        const binding = bindingAt(at, row.read().repository, key);
        await making.bindIfFree(at, clone, binding, row.read());
      }
      await lead(at, at.clone(clone.id) ?? clone, key);
      return;
    }
    case 'ask': {
      const { key, from } = decision;
      const branch = branchName(sight.head());
      situation.lead(
        leadNowhere(
          'asking',
          `Branch ${branch} has no clone yet.`,
          'Make one: thin-clones use (or answer the question in VS Code).',
          { key, question: { branch, key, from } },
        ),
      );
      return;
    }
    case 'create':
      makeClone(options, at, decision, environment);
  }
}

const branchName = (head: Head): string => (head.kind === 'branch' ? head.branch : '');

function makeClone(
  { context, row, sight, situation, making }: LookOptions,
  at: HostClones,
  { key, from }: Extract<Decision, { kind: 'create' }>,
  environment: EnvironmentName,
): void {
  const head = standsAt(sight.head());
  const answer = sight.answer();
  const outOfReach = at.outOfReach();
  if (outOfReach !== undefined && !making.isAtWork(key)) {
    situation.lead(leadOutOfReach(outOfReach, { key, clone: null }));
    return;
  }
  const failure = making.failureOf(key, head);
  if (failure !== undefined) {
    situation.lead(leadNowhere('failed', failure.message, failure.document.next, { key }));
    return;
  }
  const since = situation.since();
  situation.lead(leadLater(key, `The clone of ${key} is being made.`, null, making.jobOf(key) ?? null));
  const stillMs = since === undefined ? 0 : Math.max(0, since + makeAfterMs - context.clock.monotonic());
  making.create({
    ...{ at, key, head, environment, from: answer?.from ?? from },
    checkout: row.read(),
    previous: row.read().last,
    shared: sight.workspace()?.branches?.shared ?? [],
    // Nobody waits before what a person asked for.
    afterMs: answer === undefined ? stillMs : 0,
    isWanted: () => situation.now().key === key && situation.now().state === 'switching',
  });
  if (situation.now().state === 'switching') situation.tellJob(making.jobOf(key) ?? null);
}

/** Leads to a clone in whichever state it is, and does what that needs. */
function createLeadToClone({ hosts, row, sight, situation, making, startRequest }: LookOptions): {
  lead: LeadToClone;
  goesOn: (at: HostClones, clone: Clone) => boolean;
} {
  /** For the proposal to clean it up when that working tree is removed. */
  const rememberWorktree = (at: HostClones, id: CloneId): void => {
    const { kind, path } = sight.tree();
    at.rememberWorktree(id, kind === 'worktree' ? path : null);
  };

  /** Where the store copies what runs, its server answers all the while, and connections must not end for that. */
  const goesOn = (at: HostClones, clone: Clone): boolean =>
    clone.state === 'committing' &&
    at.copiesLive &&
    situation.now().clone === clone.id &&
    situation.now().state === 'ready';

  const isStarting = ({ members }: Clone): boolean => members.some(({ state }) => state === 'starting');

  const start = (at: HostClones, clone: Clone, key: string): void => {
    if (isStarting(clone)) return;
    // A start that is refused because something works on the clone is tried again when that has ended.
    const isFree = at.jobOn(clone) === undefined;
    if (clone.stoppedBy !== null && !(isFree ? startRequest.take() : startRequest.isThere())) return;
    making.start(at, key, standsAt(sight.head()), clone.id, row.read().createdBy);
  };

  const lead: LeadToClone = async (at, clone, key) => {
    if (goesOn(at, clone)) return;
    const outOfReach = at.outOfReach();
    const failure = making.failureOf(key, standsAt(sight.head()));
    let job = at.jobOn(clone)?.id ?? null;
    if (outOfReach !== undefined) {
      // Its engine is asked nothing now.
    } else if (clone.state === 'ready') {
      startRequest.forget();
      const isOpenToAll = await making.giveKnownPassword(at, clone, row.read());
      if (!isOpenToAll) {
        situation.lead(leadLater(key, `Something works on clone ${at.nameOf(clone)}.`, clone.id, job));
        return;
      }
      rememberWorktree(at, clone.id);
    } else if (clone.state === 'stopped' && failure === undefined) {
      start(at, clone, key);
      job = making.jobOf(key) ?? job;
    } else if (clone.state === 'destroying') {
      // Who destroys the clone of the branch that is checked out does not want another one at once.
      sight.setAnswer('none');
    }
    const way = await at.wayTo(clone);
    const told = failure && { reason: failure.message, next: failure.document.next };
    // A job may have begun on it meanwhile.
    const present = hosts.holding(clone.id)?.clone ?? clone;
    if (goesOn(at, present)) return;
    const isWanted = isStarting(present) || making.isAtWork(key);
    const now =
      outOfReach === undefined
        ? leadTo(named(at, present), { key, job, failure: told, isWanted })
        : leadOutOfReach(outOfReach, { key, clone: present });
    situation.lead(now, { clone: present, way, name: at.nameOf(present) });
  };
  return { lead, goesOn };
}
