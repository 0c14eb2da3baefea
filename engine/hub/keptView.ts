/** What a host held when it was last heard of, kept on disk for the time without it. */
import * as z from 'zod';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { KeptText } from '../process/keptText.ts';
import { toFailure } from '../protocol/errors.ts';
import { overviewSchema } from '../protocol/events.ts';
import type { HostView } from './qualified.ts';

const keptSchema = overviewSchema
  .pick({ environments: true, snapshots: true, clones: true, jobs: true })
  .extend({ host: overviewSchema.shape.hosts.element });

/** Undefined when nothing is kept that can be understood: the host itself tells it again. */
export async function readKeptView(kept: KeptText): Promise<HostView | undefined> {
  const text = await kept.read();
  if (text === undefined) return undefined;
  try {
    return keptSchema.parse(JSON.parse(text));
  } catch (error) {
    // What an older engine kept, or half a file.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

/** Milliseconds from a change to its being kept. */
const keepAfterMs = 2000;

export interface ViewKeeper {
  changed(): void;
  /** Resolves when what changed is kept. */
  quiet(): Promise<void>;
}

export function createViewKeeper(options: {
  view: () => HostView;
  kept: KeptText;
  clock: Clock;
  log: Log;
  /** Aborts when it is time to keep at once what is not kept yet. */
  signal: AbortSignal;
}): ViewKeeper {
  const { view, kept, clock, log, signal } = options;
  let waiting: Promise<void> | undefined;
  const keep = async (): Promise<void> => {
    await clock.sleep(keepAfterMs, signal).catch(() => undefined); // best effort: ended early, it is kept now
    waiting = undefined;
    try {
      await kept.write(JSON.stringify(view()));
    } catch (error) {
      log.warning('what a host holds can not be kept', { problem: toFailure(error).message });
    }
  };
  return {
    changed: () => void (waiting ??= keep()),
    quiet: async () => waiting,
  };
}
