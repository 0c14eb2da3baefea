/** A store whose file system may hang: who asks for its space is told so, and does not hang with it. */
import { setTimeout as delay } from 'node:timers/promises';
import { fail } from '../protocol/errors.ts';
import type { Storage } from './storage.ts';

type Space = Awaited<ReturnType<Storage['space']>>;

/** Asks for its space one at a time: a call that hangs holds one of the few threads that all files are reached by. */
export function answeringStorage(storage: Storage, patienceMs = 5000): Storage {
  let underway: Promise<Space> | undefined;
  const ask = async (): Promise<Space> => {
    const asked = new AbortController();
    const late = delay(patienceMs, undefined, { signal: asked.signal }).then((): never => {
      throw fail('storage_failed', {
        storage: storage.root,
        problem: 'its file system does not answer; is the disk or the server that it is on still there?',
      });
    });
    const space = storage.space().finally(() => {
      underway = undefined;
      asked.abort();
    });
    return Promise.race([space, late]);
  };
  return { ...storage, space: () => (underway ??= ask()) };
}
