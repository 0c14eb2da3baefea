/** Steps of a benchmark that has others to wait for: each has a name and a time, so that none hangs without a word. */
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchContext } from './clones.ts';

/**
 * Does the work, and says that it is being done. Errors: those of the work; one that names the step when it takes longer than `seconds`,
 * or when the benchmark is stopped: what goes on is left to whoever ends what it works on.
 */
export async function step<T>(
  { say, signal }: Pick<BenchContext, 'say' | 'signal'>,
  name: string,
  seconds: number,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  say(name);
  const over = new AbortController();
  const tooLate = delay(seconds * 1000, undefined, { signal: AbortSignal.any([signal, over.signal]) }).then(
    () => {
      throw new Error(`"${name}" did not end in ${seconds} s.`);
    },
    (error: unknown) => {
      throw signal.aborted ? signal.reason : error;
    },
  );
  try {
    return await Promise.race([work(), tooLate]);
  } finally {
    over.abort();
  }
}
