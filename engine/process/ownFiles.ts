/** Looks after the files by which an engine is found: what somebody removed or replaced is made again, or the engine ends. */
import { lstatSync } from 'node:fs';

/** A command that comes in between finds no engine, starts another one, and that one finds this one by then. */
const intervalMs = 1_000;

export interface OwnFile {
  path: string;
  /** Makes it again; called once more after the next interval when it rejects. */
  restore: () => void | Promise<void>;
}

export interface OwnFiles {
  /** What lies at the path now is ours. */
  keep(file: OwnFile): void;
  /** What becomes of the path is no concern any more. */
  forget(path: string): void;
  /** No file is made again after it. */
  close(): Promise<void>;
}

export interface OwnFilesOptions {
  /** `problem`: why it could not be made again. */
  tell: (path: string, problem: string | null) => void;
  everyMs?: number;
}

/** Which file a name leads to; a file that replaced another may have its number, but not its time of birth as well. */
export function identityOf(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`;
}

export function watchOwnFiles({ tell, everyMs = intervalMs }: OwnFilesOptions): OwnFiles {
  const kept = new Map<string, OwnFile & { identity: string | undefined }>();
  const problems = new Map<string, string>();
  let isClosed = false;
  let looking: Promise<void> | undefined;

  const keep = (file: OwnFile): void => {
    kept.set(file.path, { ...file, identity: identityOf(file.path) });
    problems.delete(file.path);
  };

  const look = async (): Promise<void> => {
    for (const file of [...kept.values()]) {
      if (isClosed) return;
      try {
        if (kept.get(file.path) !== file || identityOf(file.path) === file.identity) continue;
        await file.restore();
        if (kept.get(file.path) !== file) continue;
        keep(file);
        tell(file.path, null);
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        if (problems.get(file.path) !== problem) tell(file.path, problem);
        problems.set(file.path, problem);
      }
    }
  };

  const timer = setInterval(() => {
    looking ??= look().finally(() => (looking = undefined));
  }, everyMs);
  timer.unref();

  return {
    keep,
    forget: (path) => {
      kept.delete(path);
    },
    async close() {
      isClosed = true;
      clearInterval(timer);
      await looking;
    },
  };
}
