/** Space that is kept on the disk of the state, so that it can say its last words, and let things go, when all else is full. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Reserve {
  /** Whether the space is kept and more is free for what is new; takes it when it is not and there is enough. */
  keep(): boolean;
  /** Gives the space to whoever writes next. False: there was none to give. */
  give(): boolean;
  /** For a start on a full disk, which has files to write as well; if there was nothing to give, `spare` goes, which is made again. */
  giveWhenFull(spare: string): void;
}

/** Some hundred jobs with their lines, and the files of an engine's start. */
const reserveBytes = 2 * 2 ** 20;
/** Less is no room to start in, nor to begin anything. */
const startBytes = 256 * 2 ** 10;

export function openReserve(path: string): Reserve {
  const free = (): number => {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  };
  const isKept = (): boolean => statSync(path, { throwIfNoEntry: false })?.size === reserveBytes;
  const give = (): boolean => {
    const isThere = statSync(path, { throwIfNoEntry: false }) !== undefined;
    rmSync(path, { force: true });
    return isThere;
  };
  return {
    give,
    giveWhenFull(spare) {
      if (free() < startBytes) give();
      if (free() < startBytes) rmSync(spare, { recursive: true, force: true });
    },
    keep() {
      if (isKept()) return free() >= startBytes;
      if (free() < 2 * reserveBytes) return false;
      try {
        const file = openSync(path, 'w', 0o600);
        try {
          // A file system that compresses must not make nothing of it, and one that allocates late must allocate.
          writeSync(file, randomBytes(reserveBytes));
          fsyncSync(file);
        } finally {
          closeSync(file);
        }
        return isKept();
      } catch {
        // best effort: whoever asks is told that there is no room
        give();
        return false;
      }
    },
  };
}
