/** Speaks in lines with the far end of a stream before the stream is handed over to what follows. */
import type { Duplex } from 'node:stream';

export interface Conversation {
  /** The next line without its end; undefined when the stream has ended. Errors: `TooLong`. */
  line(): Promise<string | undefined>;
  /** Resolves when the stream takes more. */
  write(data: string | Uint8Array): Promise<void>;
  /** Gives what was read too far back to the stream, which is whoever's follows. */
  release(): void;
}

/** A far end that says a line without end. */
export class TooLong extends Error {
  override readonly name = 'TooLong';
}

/** A far end that ended where it should have answered. */
export class StreamEnded extends Error {
  override readonly name = 'StreamEnded';
}

const longestLine = 64 * 1024;
const newline = 10;

/** `onHeard` is called whenever anything arrives, `onTaken` when something that was written has left. */
export function converse(bytes: Duplex, onHeard: () => void): Conversation {
  let kept = Buffer.alloc(0);
  let over = false;
  let wake: (() => void) | undefined;
  const awaken = (): void => {
    wake?.();
    wake = undefined;
  };
  const take = (): void => {
    for (let chunk = bytes.read() as Buffer | null; chunk !== null; chunk = bytes.read() as Buffer | null) {
      kept = Buffer.concat([kept, chunk]);
      onHeard();
    }
    awaken();
  };
  const finish = (): void => {
    over = true;
    awaken();
  };
  bytes.on('readable', take);
  bytes.once('end', finish);
  bytes.once('close', finish);
  return {
    async line() {
      for (;;) {
        const end = kept.indexOf(newline);
        if (end > longestLine || (end === -1 && kept.length > longestLine)) throw new TooLong();
        if (end !== -1) {
          const line = kept.subarray(0, end).toString('utf8').replace(/\r$/, '');
          kept = kept.subarray(end + 1);
          return line;
        }
        if (over) return undefined;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    write: (data) =>
      new Promise((resolve) => {
        if (over || bytes.destroyed) {
          resolve();
          return;
        }
        const done = (): void => {
          bytes.off('close', done);
          onHeard();
          resolve();
        };
        bytes.once('close', done);
        bytes.write(data, done);
      }),
    release() {
      bytes.off('readable', take);
      bytes.off('end', finish);
      bytes.off('close', finish);
      if (kept.length > 0) bytes.unshift(kept);
    },
  };
}
