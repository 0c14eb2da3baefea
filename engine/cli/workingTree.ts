/** Which checkout a command is about, and what it takes until its ports lead to its branch's clone. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { calledHere } from '../protocol/calledHere.ts';
import type { Position } from '../protocol/client.ts';
import type { Checkout, Clone, Head } from '../protocol/entities.ts';
import type { ThinClonesError } from '../protocol/errors.ts';
import { fail, isFailure } from '../protocol/errors.ts';
import type { Follow } from '../protocol/follow.ts';
import { shownValue } from '../protocol/variableConsent.ts';
import { waitForJob } from './follow.ts';
import { formatFields, printable } from './format.ts';
import type { Session } from './session.ts';

/** The folder that was named, or the present one; absolute. */
export const folderOf = ({ surroundings }: Session, named: string | undefined): string =>
  resolve(surroundings.cwd, named ?? '.');

/** The top of the working tree that a folder is in, as far as can be told without Git. */
function topOf(folder: string): string {
  let real: string;
  try {
    real = realpathSync(folder);
  } catch {
    // best effort: a folder that was removed is known by the name that it had
    real = folder;
  }
  for (let at = real; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at;
    if (dirname(at) === at) return real;
  }
}

/** The checkout of a folder, among those that are followed. Errors: `not_followed`. */
export async function findCheckout(session: Session, named: string | undefined): Promise<Checkout> {
  const folder = folderOf(session, named);
  const { items } = await (await session.client()).call('checkoutList', {}, { signal: session.signal });
  const found =
    items.find(({ id, path }) => id === named || path === folder) ??
    items.find(({ path }) => path === topOf(folder));
  if (found === undefined) throw fail('not_followed', { folder });
  return found;
}

export interface OpenOptions {
  environment?: string | undefined;
  follow?: Follow | undefined;
}

/** Follows the working tree of a folder from now on, if that is not so yet. Errors: `not_a_checkout`. */
export async function openCheckout(
  session: Session,
  named: string | undefined,
  { environment, follow }: OpenOptions = {},
): Promise<Checkout> {
  const body = {
    folder: folderOf(session, named),
    ...(environment === undefined ? {} : { environment }),
    ...(follow === undefined ? {} : { follow }),
  };
  return (await session.client()).call('checkoutOpen', { body }, { signal: session.signal });
}

/** A branch's clone may be waited for by several: whoever gives up takes it from nobody. */
const ofBranch = { lines: false, cancels: false };
const pauseMs = 50;
/** Moves of HEAD and ends of the engine that are taken in, one after another. */
const mostAttempts = 5;

const engineWentAway = (error: unknown): boolean =>
  isFailure(error, 'engine_unreachable') ||
  isFailure(error, 'shutting_down') ||
  isFailure(error, 'interrupted');

/** A checkout, and where the events begin that may change it. */
interface Sight {
  checkout: Checkout;
  from: Position | undefined;
}

async function show(session: Session, { id }: Checkout): Promise<Sight> {
  const { signal } = session;
  const client = await session.client();
  let from: Position | undefined;
  const onPosition = (position: Position): void => void (from = position);
  const checkout = await client.call('checkoutShow', { params: { checkout: id } }, { signal, onPosition });
  return { checkout, from };
}

/** Resolves with whether an event told that the checkout went on; false: the stream ended, or has not all events. */
async function wentOn({ checkout, from }: Sight, session: Session): Promise<boolean> {
  if (from === undefined) return false;
  const client = await session.client();
  const stream = new AbortController();
  try {
    for await (const event of client.events(from, AbortSignal.any([session.signal, stream.signal]))) {
      if (event.kind === 'resync') return false;
      if (event.kind === 'checkout.removed' && event.id === checkout.id) return true;
      if (event.kind !== 'checkout' || event.entity.id !== checkout.id) continue;
      if (event.entity.state !== 'switching' || event.entity.job !== checkout.job) return true;
    }
  } finally {
    stream.abort();
  }
  return false;
}

/** Waits for events until the engine has decided where the ports lead. `from`: where those after `checkout` begin, if known. */
export async function settled(session: Session, checkout: Checkout, from?: Position): Promise<Checkout> {
  let now: Sight = { checkout, from };
  while (now.checkout.state === 'switching') {
    const { job } = now.checkout;
    if (job !== null) {
      const client = await session.client();
      const found = await client.call('jobShow', { params: { job } }, { signal: session.signal });
      await waitForJob(session, found, { ...ofBranch, from: now.from });
    }
    // An event may be older than what was shown: it wakes, and what is shown next counts.
    const isTold = await wentOn(now, session);
    if (!isTold && now.from !== undefined) await session.surroundings.pause(pauseMs, session.signal);
    now = await show(session, now.checkout);
  }
  return now.checkout;
}

/** What keeps a checkout from its database, as an error. */
export const notReady = ({ path, reason, next }: Checkout): ThinClonesError =>
  fail('checkout_not_ready', { path, reason: reason ?? 'nothing is known of it', next: next ?? '' });

export interface EnsureOptions extends OpenOptions {
  /** Bind this clone to the branch, instead of its own. */
  clone?: string | undefined;
  from?: string | undefined;
  /** Whatever they lead to now is good enough, such as a clone that was lent to a detached HEAD. */
  keepReady?: boolean;
  /** false: leave as soon as the engine is at it. */
  wait?: boolean;
}

/**
 * Opens the checkout of a folder and leads its ports to its branch's clone, which is made or started when needed. Goes on
 * when HEAD moves or the engine ends meanwhile. Errors: those of the engine and the job, `checkout_not_ready`.
 */
export async function ensureClone(
  session: Session,
  named: string | undefined,
  options: EnsureOptions,
): Promise<Checkout> {
  const { clone, from, keepReady = false, wait = true } = options;
  const { signal } = session;
  let last: Checkout | undefined;
  for (let attempt = 1; attempt <= mostAttempts; attempt++) {
    try {
      const opened = await openCheckout(session, named, options);
      last = opened;
      if (keepReady && opened.state === 'ready') return opened;
      const client = await session.client();
      const body = { ...(clone === undefined ? {} : { clone }), ...(from === undefined ? {} : { from }) };
      let begin: Position | undefined;
      const onPosition = (position: Position): void => void (begin = position);
      const input = { params: { checkout: opened.id }, body };
      const used = await client.call('checkoutUse', input, { signal, onPosition });
      if (!wait) return used.checkout;
      // A job that was joined began before the request: its first lines are not told again.
      if (used.job !== null) await waitForJob(session, used.job, { ...ofBranch, from: begin });
      const { checkout, from: after } = await show(session, opened);
      last = await settled(session, checkout, after);
      if (last.state === 'ready') return last;
      // Another branch is checked out by now: that one is meant.
      if (last.state !== 'asking') break;
    } catch (error) {
      if (!engineWentAway(error) || signal.aborted || attempt === mostAttempts) throw error;
      session.disconnect();
      await session.surroundings.pause(pauseMs, signal);
    }
  }
  throw last === undefined ? fail('internal', { problem: 'no checkout was opened' }) : notReady(last);
}

export function describeHead(head: Head): string {
  switch (head.kind) {
    case 'branch':
      return head.operation === null ? head.branch : `${head.branch} (${head.operation} under way)`;
    case 'detached': {
      if (head.tool === 'jj') return `no bookmark (jj, at ${head.commit.slice(0, 10)})`;
      const at = `detached at ${head.commit.slice(0, 10)}`;
      return head.operation === null
        ? at
        : `${at} (${head.operation} of ${head.branch ?? 'a commit'} under way)`;
    }
    case 'unreadable':
      return `unreadable: ${head.problem}`;
  }
}

/** Nothing runs without a variable that its file sets, unless somebody said so. Errors: `variables_held`. */
export function refuseHeld({ path, heldVariables }: Checkout): void {
  const asking = heldVariables.filter(({ state }) => state === 'asking');
  if (asking.length === 0) return;
  throw fail('variables_held', { path, variables: asking.map(({ name, value }) => ({ name, value })) });
}

/** What is wrong with its thin-clones.yaml or with what depends on it, on stderr. */
export function noteProblem({ output }: Session, { problem }: Checkout): void {
  if (problem !== null) for (const each of problem.split('\n')) output.note(printable(each));
}

/** The port of each member, and what is wrong with it. */
export const portLines = ({ endpoints }: Checkout): (readonly [string, string])[] =>
  endpoints.map(
    ({ member, host, port, user, database, state }) =>
      [
        `port of ${member}`,
        `${host}:${port}, user ${user}, database ${database}${state === 'taken' ? ' (taken by another program: thin-clones checkout ports)' : ''}`,
      ] as const,
  );

/** Everything there is to say about a checkout. */
export function checkoutText(checkout: Checkout, clone: Clone | undefined): string {
  const { reason, next, question, envFile, problem } = checkout;
  return formatFields([
    ['checkout', checkout.path],
    ['id', checkout.id],
    ...(checkout.kind === 'main' ? [] : [['kind', checkout.kind] as const]),
    ['repository', checkout.repository],
    ['branch', describeHead(checkout.head)],
    ['environment', checkout.environment ?? 'none chosen'],
    ['follow', checkout.follow],
    ['state', reason === null ? checkout.state : `${checkout.state}: ${reason}`],
    ...(next === null || next === '' ? [] : [['next', next] as const]),
    ...(question === null
      ? []
      : [
          [
            'question',
            `make a clone for ${question.key}, from ${question.from}? thin-clones checkout answer yes`,
          ] as const,
        ]),
    ['clone', clone === undefined ? (checkout.clone ?? 'none') : `${calledHere(clone)} (${clone.state})`],
    ...portLines(checkout),
    ['variables', Object.keys(checkout.variables).join(', ') || 'none'],
    ...checkout.heldVariables.map(
      ({ name, value, state }) =>
        [
          state === 'refused' ? 'refused' : 'not set',
          `${name}=${shownValue(value)}${state === 'refused' ? '' : ` (to agree: thin-clones use --allow-variable ${name})`}`,
        ] as const,
    ),
    ...(envFile === null
      ? []
      : [
          [
            'variables in',
            `${envFile.file} (${envFile.state}${envFile.problem === null ? '' : `: ${envFile.problem}`})`,
          ] as const,
        ]),
    ...(problem === null ? [] : [['problem', problem.split('\n').map(printable).join('; ')] as const]),
  ]);
}
