/** What the login to a host asks: shown to everybody who listens, answered by whoever is first, and kept nowhere. */
import type { Ask, Question } from '../link/link.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { HostQuestion } from '../protocol/entities.ts';
import { fail, type ThinClonesError } from '../protocol/errors.ts';

export interface Questions {
  /** The one that is asked now. */
  current(): HostQuestion | null;
  readonly ask: Ask;
  /** Null: the login is given up. Errors: `host_question_over`. */
  answer(id: string, reply: string | null): void;
}

export interface QuestionsOptions {
  host: string;
  clock: Clock;
  random: Random;
  /** Whether somebody is there who asked for the login. */
  isWanted: () => boolean;
  /** Another question is asked, or none any more. */
  onChange: () => void;
  /** Nobody answers: the login is to end, for this reason. */
  onGivenUp: (reason: ThinClonesError) => void;
}

/** Hosts end a login that takes longer: two minutes are the default of OpenSSH. */
const patienceMs = 120_000;

interface Asked {
  shown: HostQuestion;
  reply: (text: string | undefined) => void;
}

export function createQuestions(options: QuestionsOptions): Questions {
  const { host, clock, random, isWanted, onChange, onGivenUp } = options;
  /** In the order of their asking: a login by way of another host is two, which may ask at once. */
  const asked = new Set<Asked>();
  const current = (): Asked | undefined => [...asked][0];

  const waitFor = async (shown: HostQuestion, signal: AbortSignal): Promise<string | undefined> => {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const over = new AbortController();
    const entry: Asked = { shown, reply: resolve };
    const onAbort = (): void => resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    asked.add(entry);
    onChange();
    clock.sleep(patienceMs, over.signal).then(
      () => {
        onGivenUp(fail('host_unanswered', { host, seconds: patienceMs / 1000 }));
        resolve(undefined);
      },
      () => undefined, // best effort: it was answered in time
    );
    try {
      return await promise;
    } finally {
      over.abort();
      signal.removeEventListener('abort', onAbort);
      asked.delete(entry);
      onChange();
    }
  };

  return {
    current: () => current()?.shown ?? null,
    async ask(question, signal) {
      if (signal.aborted) return undefined;
      if (!isWanted()) {
        onGivenUp(fail('host_unanswered', { host }));
        return undefined;
      }
      const since = clock.now();
      const until = new Date(since.getTime() + patienceMs);
      return waitFor(shownOf(question, random.id(), since, until), signal);
    },
    answer(id, reply) {
      const found = [...asked].find(({ shown }) => shown.id === id);
      if (found === undefined) throw fail('host_question_over', { host });
      // At once, so that a second answer comes too late.
      asked.delete(found);
      // A key that is not accepted is told by the login itself.
      if (reply === null && found.shown.kind !== 'host-key') onGivenUp(fail('host_unanswered', { host }));
      found.reply(reply ?? undefined);
    },
  };
}

const shownOf = (
  { kind, text, fingerprint }: Question,
  id: string,
  since: Date,
  until: Date,
): HostQuestion => ({
  ...{ id, kind, text, fingerprint: fingerprint ?? null },
  masked: kind !== 'host-key',
  since: since.toISOString(),
  until: until.toISOString(),
});
