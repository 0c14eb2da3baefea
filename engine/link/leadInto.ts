/** Leads what comes from one stream into another; when either breaks, the other one goes too. */
import type { Readable, Writable } from 'node:stream';

export function leadInto(from: Readable, into: Writable): void {
  // A stream that breaks in the middle has nobody to tell but its other side.
  from.once('error', () => into.destroy());
  from.once('close', () => {
    if (!from.readableEnded) into.destroy();
  });
  into.once('error', () => from.destroy());
  into.once('close', () => {
    if (!into.writableFinished) from.destroy();
  });
  from.pipe(into);
}
