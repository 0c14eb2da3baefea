/** Makes this process the one engine of a home, and waits for the end of another one that no longer answers. */
import { writeFileSync } from 'node:fs';
import { fail } from '../protocol/errors.ts';
import type { HomePaths } from '../protocol/node/home.ts';
import { readHolder } from '../protocol/node/holder.ts';
import { openStore, StateHeld, StateUnusable } from '../state/sqliteStore.ts';
import type { Store } from '../state/store.ts';
import { tryLock, type Lock } from './lock.ts';

/** A killed engine holds its home until the operating system is done with it; a stopping one until its jobs are undone. */
const patienceMs = 60_000;
/** From here on it is worth a line in the log. */
const tellAfterMs = 1_000;

export interface TakeOptions {
  paths: Pick<HomePaths, 'home' | 'lock' | 'holder' | 'state'>;
  /** Whether an engine of this home answers requests. */
  anotherAnswers: () => Promise<boolean>;
  /** Milliseconds of a clock that never jumps. */
  now: () => number;
  pause: (ms: number) => Promise<void>;
  tell: (text: string) => void;
}

export interface TakenHome {
  lock: Lock;
  store: Store;
  /** Why the state can't be trusted; the store is an empty one in memory then. */
  blocked: string | null;
}

/**
 * undefined: another engine answers, this one is not needed. Rejects with `engine_unreachable` when another one holds the home,
 * does not answer and does not end.
 */
export async function takeHome(options: TakeOptions): Promise<TakenHome | undefined> {
  const { paths, anotherAnswers, now, pause, tell } = options;
  const began = now();
  let told = false;
  for (;;) {
    const taken = tryTake(paths);
    if (taken !== undefined) {
      if (told) tell(`process ${process.pid} has this home now`);
      return taken;
    }
    if (await anotherAnswers()) return undefined;
    const waited = now() - began;
    if (waited > tellAfterMs && !told) {
      told = true;
      tell(`process ${process.pid} waits for the end of ${await nameHolder(paths)}, which does not answer`);
    }
    if (waited > patienceMs) {
      const holder = await nameHolder(paths);
      const problem = `${holder} holds ${paths.home}, does not answer and does not end; end that process, clones go on`;
      tell(problem);
      throw fail('engine_unreachable', { problem });
    }
    // Not the engine's clock, whose sleep keeps no process alive: Node would end this one with code 13.
    await pause(10);
  }
}

async function nameHolder({ holder }: Pick<HomePaths, 'holder'>): Promise<string> {
  const pid = await readHolder(holder);
  return pid === undefined ? 'another engine' : `engine ${pid}`;
}

/** The state is held as well: whoever finds the lock's name removed does not find that free. */
function tryTake(paths: TakeOptions['paths']): TakenHome | undefined {
  const lock = tryLock(paths.lock);
  if (lock === undefined) return undefined;
  try {
    const opened = openState(paths.state);
    tellHolder(paths);
    return { lock, ...opened };
  } catch (error) {
    lock.release();
    if (error instanceof StateHeld) return undefined;
    throw error;
  }
}

function openState(path: string): { store: Store; blocked: string | null } {
  try {
    return { store: openStore(path), blocked: null };
  } catch (error) {
    if (!(error instanceof StateUnusable)) throw error;
    return { store: openStore(':memory:'), blocked: error.message };
  }
}

/** Says who holds the home, to those who wait for it. */
export function tellHolder({ holder }: Pick<HomePaths, 'holder'>): void {
  try {
    writeFileSync(holder, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // best effort: on a full disk nobody is told the number; the locks decide
  }
}
