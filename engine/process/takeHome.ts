/** Makes this process the one engine of a home, and waits for the end of another one that no longer answers. */
import { writeFileSync } from 'node:fs';
import { tryLock } from '../machine/local/lock.ts';
import type { FileLock } from '../machine/machine.ts';
import { fail } from '../protocol/errors.ts';
import type { HomePaths } from '../protocol/node/home.ts';
import { readHolder } from '../protocol/node/holder.ts';

/** A killed engine holds its home until the operating system is done with it; a stopping one until its jobs are undone. */
const patienceMs = 60_000;
/** From here on it is worth a line in the log. */
const tellAfterMs = 1_000;

export interface TakeOptions<State extends object> {
  paths: Pick<HomePaths, 'home' | 'lock' | 'holder'>;
  /** Opens the state, which holds the home as well; undefined: another process has it open. */
  openState: () => State | undefined;
  /** Whether an engine of this home answers requests. */
  anotherAnswers: () => Promise<boolean>;
  /** Milliseconds of a clock that never jumps. */
  now: () => number;
  pause: (ms: number) => Promise<void>;
  tell: (text: string) => void;
}

/** The opened state, and the lock beside it. */
export type TakenHome<State extends object> = State & { lock: FileLock };

/**
 * undefined: another engine answers, this one is not needed. Rejects with `engine_unreachable` when another one holds the home,
 * does not answer and does not end.
 */
export async function takeHome<State extends object>(
  options: TakeOptions<State>,
): Promise<TakenHome<State> | undefined> {
  const { paths, anotherAnswers, now, pause, tell } = options;
  const began = now();
  let told = false;
  for (;;) {
    const taken = tryTake(options);
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
function tryTake<State extends object>({
  paths,
  openState,
}: TakeOptions<State>): TakenHome<State> | undefined {
  const lock = tryLock(paths.lock);
  if (lock === undefined) return undefined;
  try {
    const opened = openState();
    if (opened !== undefined) {
      tellHolder(paths);
      return { ...opened, lock };
    }
  } catch (error) {
    lock.release();
    throw error;
  }
  lock.release();
  return undefined;
}

/** Says who holds the home, to those who wait for it. */
export function tellHolder({ holder }: Pick<HomePaths, 'holder'>): void {
  try {
    writeFileSync(holder, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // best effort: on a full disk nobody is told the number; the locks decide
  }
}
