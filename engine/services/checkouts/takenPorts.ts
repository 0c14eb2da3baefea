/** Comes back to ports that another program holds. */
import { toFailure } from '../../protocol/errors.ts';
import type { ServiceContext } from '../context.ts';

const intervalMs = 2000;

/** What it returns asks for one more try, after a while and however often it is called until then. */
export function createRetryOfTakenPorts(
  { clock, log }: Pick<ServiceContext, 'clock' | 'log'>,
  signal: AbortSignal,
  retry: () => Promise<void>,
): () => void {
  let isWaiting = false;
  const later = async (): Promise<void> => {
    try {
      await clock.sleep(intervalMs, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      return;
    } finally {
      isWaiting = false;
    }
    await retry();
  };
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    later().catch((error: unknown) => log.error('a taken port', { problem: toFailure(error).message }));
  };
}
