/** A store whose file system may hang: who asks for its space is told so, and does not hang with it. */
import { setTimeout as delay } from 'node:timers/promises';
import { fail } from '../protocol/errors.ts';
import type { FileSystemAnswers } from './fileSystemAnswers.ts';
import type { Storage } from './storage.ts';

type Space = Awaited<ReturnType<Storage['space']>>;

/** For so many milliseconds an answer counts: a frozen file system tells its space, and takes nothing. */
const freshMs = 10_000;

/** Asks for its space one at a time: a call that hangs holds one of the few threads that all files are reached by. */
export function answeringStorage(
  storage: Storage,
  answers: Pick<FileSystemAnswers, 'demand'>,
  patienceMs = 5000,
): Storage {
  let underway: Promise<Space> | undefined;
  const ask = async (): Promise<Space> => {
    const asked = new AbortController();
    const late = delay(patienceMs, undefined, { signal: asked.signal }).then((): never => {
      throw fail('storage_unanswered', { path: storage.root });
    });
    const space = storage.space().finally(() => {
      underway = undefined;
      asked.abort();
    });
    return Promise.race([space, late]);
  };
  return {
    ...storage,
    async space() {
      await answers.demand(storage.root, freshMs);
      return (underway ??= ask());
    },
  };
}
