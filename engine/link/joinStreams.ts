/** Makes one stream of two one-way ones, such as the input and output of a program. */
import { Duplex, type Readable, type Writable } from 'node:stream';

/** From the end of what takes to the end of the whole. */
const LAST_WORDS_MS = 2000;

/**
 * It closes without an error, whatever becomes of the two: whoever owns them knows why they ended. (`Duplex.from` has an
 * AbortError or a premature close for each, also when it is closed on purpose.)
 */
export function joinStreams(readable: Readable, writable: Writable): Duplex {
  const bytes = new Duplex({
    read: () => void readable.resume(),
    write: (chunk: Buffer, _encoding, done) =>
      void writable.write(chunk, () => {
        done();
      }),
    final: (done) =>
      void writable.end(() => {
        done();
      }),
    destroy: (error, done) => {
      readable.destroy();
      writable.destroy();
      done(error);
    },
  });
  readable.on('data', (chunk: Buffer) => {
    if (!bytes.push(chunk)) readable.pause();
  });
  readable.once('end', () => bytes.push(null));
  readable.once('close', () => {
    if (!readable.readableEnded) bytes.destroy();
  });
  readable.on('error', () => bytes.destroy());
  // Whoever takes no more may have said why, and that is still to be read; what is written meanwhile is lost.
  writable.on('error', () => setTimeout(() => bytes.destroy(), LAST_WORDS_MS).unref());
  return bytes;
}
