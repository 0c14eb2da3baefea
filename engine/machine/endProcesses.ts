/** Ends processes for good, and waits until they are gone: but not for one that even SIGKILL does not end. */
import { setTimeout as delay } from 'node:timers/promises';
import { fail } from '../protocol/errors.ts';
import type { Machine, ProcessIdentity } from './machine.ts';

/** A killed process is gone in moments, unless it waits for a disk or a network file system (state D in ps). */
const KILL_PATIENCE_MS = 10_000;
const POLL_MS = 2;

/** Rejects with `process_stuck`. */
export async function untilGone(
  processes: Machine['processes'],
  { pid, startedAt }: ProcessIdentity,
  patienceMs = KILL_PATIENCE_MS,
): Promise<void> {
  const end = performance.now() + patienceMs;
  while ((await processes.identify(pid))?.startedAt === startedAt) {
    if (performance.now() > end) throw fail('process_stuck', { pid });
    await delay(POLL_MS);
  }
}

/** Ends whatever carries one of these marks in its environment. Idempotent. */
export async function endMarked(processes: Machine['processes'], marks: readonly string[]): Promise<void> {
  for (const mark of marks) {
    const left = await processes.findMarked(mark);
    // A process group of its own, so that pg_dump takes its workers along.
    for (const process of left) await processes.signal(process, 'SIGKILL', true);
    for (const process of left) await untilGone(processes, process);
  }
}
