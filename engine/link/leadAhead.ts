/** Leads what somebody says first into a stream that may yet be refused: nothing of it is lost then. */
import type { Readable, Writable } from 'node:stream';
import { leadInto } from './leadInto.ts';

export interface Ahead {
  /** The stream was not refused: all that follows is led into it too, and when either breaks, the other one goes too. */
  goOn(): void;
  /** It was: what was led there is to be read again. */
  takeBack(): void;
}

export function leadAhead(from: Readable, into: Writable): Ahead {
  const said: Buffer[] = [];
  const keep = (chunk: Buffer): void => void said.push(chunk);
  from.on('data', keep);
  from.pipe(into);
  const stop = (): void => {
    from.off('data', keep);
    from.unpipe(into);
    from.pause();
  };
  return {
    goOn() {
      stop();
      leadInto(from, into);
    },
    takeBack() {
      stop();
      if (said.length > 0 && !from.readableEnded && !from.destroyed) from.unshift(Buffer.concat(said));
    },
  };
}
