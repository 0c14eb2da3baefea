/**
 * Brings the use cases up. Where the storage is what is missing they are brought up again and again: it is mounted, answers or is let
 * go of by another engine some time, and everybody is told until then why nothing runs.
 */
import type { Running } from './http/handlers/access.ts';
import { createFeed, type Feed } from './jobs/feed.ts';
import { isFailure, toFailure, type ThinClonesError } from './protocol/errors.ts';

/** Milliseconds between two tries: soon where the storage was there and busy, else when a person may have mended it. */
const retryMs = { busy: 2000, other: 15_000 };
/** Milliseconds between two questions whether it answers, while what is under way takes long. */
const askEveryMs = 5000;

export interface BringUpOptions {
  start: () => Promise<Running>;
  /** Errors: `storage_unanswered`. */
  demandAnswer: () => Promise<void>;
  /** Told once for each different reason. */
  onProblem: (failure: ThinClonesError) => void;
  onRunning: (running: Running) => void;
  pause: (ms: number, signal: AbortSignal) => Promise<void>;
  signal: AbortSignal;
}

export interface BroughtUp {
  /** Rejects with the reason why the engine can not run here now. */
  running(): Promise<Running>;
  /** What runs at this moment. */
  present(): Running | undefined;
  /** Of what runs; while nothing does, one that ends when something does. */
  feed(): Promise<Feed>;
}

export function bringUp(options: BringUpOptions): BroughtUp {
  const { start, demandAnswer, onProblem, onRunning, pause, signal } = options;
  const first = Promise.withResolvers<Running>();
  let running = first.promise;
  let present: Running | undefined;
  let waiting: Feed | undefined;
  let told = '';
  // best effort: who asks gets the reason, and so does the log
  running.catch(() => undefined);

  const refuse = (error: unknown): void => {
    const failure = toFailure(error);
    first.reject(failure);
    running = Promise.reject(failure);
    running.catch(() => undefined); // best effort: as above
    if (told !== failure.message) onProblem(failure);
    told = failure.message;
  };
  const take = (now: Running): void => {
    present = now;
    first.resolve(now);
    running = Promise.resolve(now);
    onRunning(now);
    waiting?.publish({ kind: 'resync' });
    waiting?.end();
    waiting = undefined;
  };

  /** Rejects when the storage does not answer while the attempt is under way; what hangs there is left to go on. */
  const whileItAnswers = async (attempt: Promise<Running>): Promise<Running> => {
    const ended = new AbortController();
    const watching = async (): Promise<never> => {
      for (;;) {
        await pause(askEveryMs, ended.signal);
        await demandAnswer();
      }
    };
    try {
      return await Promise.race([attempt, watching()]);
    } finally {
      ended.abort();
    }
  };
  const tryOnce = async (): Promise<Running | undefined> => {
    const attempt = start();
    try {
      return await whileItAnswers(attempt);
    } catch (error) {
      refuse(error);
    }
    // One that hung comes to its end when the storage does answer; any other has ended.
    try {
      return await attempt;
    } catch (error) {
      refuse(error);
      return undefined;
    }
  };
  const untilItRuns = async (): Promise<void> => {
    while (!signal.aborted) {
      const now = await tryOnce();
      if (now !== undefined) {
        take(now);
        return;
      }
      const failure = await running.then(() => undefined, toFailure);
      if (failure?.code.startsWith('storage_') !== true) return;
      const busy = isFailure(failure, 'storage_in_use') || isFailure(failure, 'storage_unanswered');
      await pause(busy ? retryMs.busy : retryMs.other, signal);
    }
  };
  // best effort: it ends with the engine, whose end aborts the pause
  void untilItRuns().catch(() => undefined);

  return {
    running: () => running,
    present: () => present,
    feed: () =>
      running.then(
        ({ context }) => context.feed,
        () => (waiting ??= createFeed('unusable')),
      ),
  };
}
