/** Gives up waiting when a signal aborts. */
import { fail } from '../protocol/errors.ts';

/** Errors: `canceled`. */
export function refuseAborted(signal: AbortSignal): void {
  if (signal.aborted) throw fail('canceled', {}, { cause: signal.reason });
}

/** What the work comes to, which goes on when the signal aborts before; `onAbort` may end it. Errors: `canceled`. */
export async function unlessAborted<Value>(
  work: Promise<Value>,
  signal: AbortSignal,
  onAbort: () => void = () => undefined,
): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>();
  const leave = (): void => {
    onAbort();
    reject(fail('canceled', {}, { cause: signal.reason }));
  };
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  work.then(resolve, reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
