/** One engine for each storage: a lock that lies in it, held by whoever works on it, of whatever home, user or container. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import type { FileLock, Machine } from '../machine/machine.ts';
import { fail, isFailure } from '../protocol/errors.ts';
import type { InstallationId } from '../protocol/ids.ts';
import { POOL_HOLDER, POOL_LOCK } from './pool.ts';
import type { Storage } from './storage.ts';
import { systemCode } from './tools.ts';

const holderSchema = z.object({
  pid: z.number().int(),
  user: z.string(),
  home: z.string(),
  /** Its name, which a container has of its own. */
  machine: z.string(),
  installation: z.string().optional(),
});
/** An engine, as people are told of it. */
export type Holder = z.infer<typeof holderSchema>;

/** One that was killed holds it until the operating system is done with it; whoever has this home knows that its own is ending. */
const patienceMs = { ownHome: 60_000, otherHome: 1000 };
const lookEveryMs = 10;

export interface HoldOptions {
  machine: Pick<Machine, 'files'>;
  /** The folder of the storage, which is there when `take` is called. */
  root: string;
  holder: Omit<Holder, 'installation'>;
  installation: InstallationId;
  signal?: AbortSignal | undefined;
}

export interface Hold {
  /**
   * Takes the lock unless it is held already. On a full disk that has no file for it the storage is opened all the same, because
   * destroying is the way out there. Errors: `storage_in_use`, with who has it; `storage_failed` where nothing can be written.
   */
  take(): Promise<void>;
  /** The same storage, which lets go of the lock at its end, and makes nothing new without it. */
  over(storage: Storage): Storage;
  release(): void;
}

export function createHold({ machine: { files }, root, holder, installation, signal }: HoldOptions): Hold {
  let lock: FileLock | undefined;
  const path = join(root, POOL_HOLDER);

  /** By the lock alone: what is written of its holder is for people. */
  const wait = async (): Promise<FileLock> => {
    const began = performance.now();
    for (;;) {
      const taken = await tryLock(files, root);
      if (taken !== undefined) return taken;
      const other = await readHolder(files, path);
      const patience = other?.home === holder.home ? patienceMs.ownHome : patienceMs.otherHome;
      if (performance.now() - began > patience)
        throw fail('storage_in_use', { path: root, ...toldOf(other) });
      await delay(lookEveryMs, undefined, { signal });
    }
  };
  const take = async (): Promise<void> => {
    if (lock !== undefined) return;
    lock = await wait();
    await tellHolder(files, path, { ...holder, installation });
  };
  const release = (): void => {
    lock?.release();
    lock = undefined;
  };
  return {
    async take() {
      try {
        await take();
      } catch (error) {
        if (!isFailure(error, 'storage_full')) throw error;
      }
    },
    over: (storage) => ({
      ...storage,
      async create(...given) {
        await take();
        return storage.create(...given);
      },
      async clone(...given) {
        await take();
        return storage.clone(...given);
      },
      async close() {
        await storage.close();
        release();
      },
    }),
    release,
  };
}

async function tryLock(files: Machine['files'], root: string): Promise<FileLock | undefined> {
  try {
    return await files.lock(join(root, POOL_LOCK));
  } catch (error) {
    if (isFailure(error)) throw error;
    throw fail('storage_failed', { storage: root, problem: problemOf(error) }, { cause: error });
  }
}

function problemOf(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  const code = systemCode(error);
  if (code === 'EROFS') return 'it is read-only; mount it so that it can be written';
  if (code !== undefined) return words;
  return `the lock on it can't be taken (${words}); its file system must have locks for files`;
}

const toldOf = (other: Holder | undefined): { holder: string; home: string | null } => ({
  holder:
    other === undefined
      ? 'another engine'
      : `engine ${other.pid} of ${other.user} on ${other.machine}, with the home ${other.home}` +
        (other.installation === undefined ? '' : ` (${other.installation})`),
  home: other?.home ?? null,
});

async function tellHolder(files: Machine['files'], path: string, holder: Holder): Promise<void> {
  try {
    await files.writeAtomic(path, `${JSON.stringify(holder)}\n`, 0o600, 'system');
  } catch {
    // best effort: on a full disk nobody is told who it is, rather than who it was; the lock decides
    await files.remove(path).catch(() => undefined);
  }
}

async function readHolder(files: Machine['files'], path: string): Promise<Holder | undefined> {
  try {
    const text = await files.read(path, { maxBytes: 10_000 });
    return text === undefined ? undefined : holderSchema.parse(JSON.parse(text));
  } catch {
    return undefined; // best effort: who it is is for people
  }
}
