/** Answers at the terminal what the login to a host asks, and tells how far it is, while a command waits for the host. */
import type { DoctorCheck, Host, HostQuestion } from '../protocol/entities.ts';
import { isFailure } from '../protocol/errors.ts';
import { checkText } from './checkText.ts';
import { printable } from './format.ts';
import type { Session } from './session.ts';

/**
 * `work` reaches the host; `questions` says whether somebody is at the terminal to answer.
 * Errors: those of `work`; `host_unanswered` when the person at the terminal leaves a question.
 */
export async function atLogin<Result>(
  session: Session,
  name: string,
  work: (questions: boolean) => Promise<Result>,
  onCheck = (check: DoctorCheck): void => session.output.note(checkText(check)),
): Promise<Result> {
  const over = new AbortController();
  const signal = AbortSignal.any([session.signal, over.signal]);
  const listening = await followHost(session, name, { signal, onCheck });
  try {
    return await work(session.prompter.available);
  } finally {
    over.abort();
    await listening();
  }
}

export async function reconnectAtTerminal(session: Session, name: string): Promise<Host> {
  const client = await session.client();
  return atLogin(session, name, (questions) =>
    client.call('hostReconnect', { params: { host: name }, body: { questions } }, { signal: session.signal }),
  );
}

interface Following {
  signal: AbortSignal;
  onCheck: (check: DoctorCheck) => void;
}

/** Resolves when nothing of the host is missed any more, with what waits until the following has ended. */
async function followHost(session: Session, name: string, options: Following): Promise<() => Promise<void>> {
  const { signal } = options;
  const client = await session.client();
  const overview = await client.call('overview', {}, { signal });
  const shown = createShown(session, name, options);
  const isIt = (host: Host): boolean => host.name === (name as typeof host.name);
  const following = (async () => {
    try {
      const before = overview.hosts.find(isIt);
      if (before !== undefined) shown.see({ ...before, doing: null, checks: [] });
      for await (const event of client.events(overview, signal))
        if (event.kind === 'host' && isIt(event.entity)) shown.see(event.entity);
    } catch (error) {
      // best effort: the answer to the request itself is what counts
      if (!signal.aborted && !isFailure(error)) throw error;
    }
  })();
  return async () => {
    await following;
    await shown.quiet();
  };
}

/** Shows each state of a host once. */
function createShown(session: Session, name: string, { signal, onCheck }: Following) {
  let doing: string | null = null;
  let told: readonly DoctorCheck[] = [];
  let asked: { id: string; over: AbortController } | undefined;
  let answering: Promise<void> = Promise.resolve();
  const ask = (question: HostQuestion): void => {
    const over = new AbortController();
    asked = { id: question.id, over };
    const ending = AbortSignal.any([signal, over.signal]);
    answering = answering.then(() => answerAtTerminal(session, name, question, ending));
  };
  return {
    see(host: Host): void {
      if (host.doing !== null && host.doing !== doing) session.output.note(printable(host.doing));
      doing = host.doing;
      const known = told;
      for (const check of host.checks)
        if (!known.some(({ name: each, message }) => each === check.name && message === check.message))
          onCheck(check);
      told = host.checks;
      if (host.question?.id === asked?.id) return;
      // Answered elsewhere, or no longer waited for.
      asked?.over.abort();
      asked = undefined;
      if (host.question !== null && session.prompter.available) ask(host.question);
    },
    quiet: () => answering,
  };
}

async function answerAtTerminal(
  session: Session,
  name: string,
  question: HostQuestion,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const { prompter, output } = session;
  const client = await session.client();
  const lines = question.text.split('\n').map(printable);
  const isKey = question.kind === 'host-key';
  for (const line of isKey ? lines : lines.slice(0, -1)) output.note(line);
  const last = isKey ? 'Accept this key (yes, or its fingerprint):' : `${name}: ${lines.at(-1) ?? ''}`;
  try {
    const typed = await prompter.ask(`${last} `, { hidden: question.masked, signal });
    const isAccepted = ['yes', question.fingerprint].includes(typed.trim());
    const reply = isKey ? (isAccepted ? 'yes' : null) : typed;
    await client.call('hostAnswer', { params: { host: name }, body: { question: question.id, reply } });
  } catch (error) {
    if (isFailure(error, 'host_question_over')) output.note('It was answered elsewhere.');
    else if (!isFailure(error, 'canceled')) throw error;
    // Ctrl-C: whoever waits for the host is told so.
    else if (!wasTaken(signal)) await giveUp(session, name, question.id);
  }
}

/** In the meantime. */
const wasTaken = (signal: AbortSignal): boolean => signal.aborted;

async function giveUp(session: Session, name: string, question: string): Promise<void> {
  try {
    const client = await session.client();
    await client.call('hostAnswer', { params: { host: name }, body: { question, reply: null } });
  } catch (error) {
    // best effort: the login ended in the same moment
    if (!isFailure(error)) throw error;
  }
}
