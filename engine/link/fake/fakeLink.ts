/** A link in memory, for tests: two streams of this process, of which the far one is handed to whoever stands for the host. */
import { duplexPair, type Duplex } from 'node:stream';
import { fail, type ThinClonesError } from '../../protocol/errors.ts';
import type { Link, LinkStream, OpenOptions } from '../link.ts';

export interface FakeLinkOptions {
  name: string;
  /** Serves one opened stream; what it throws refuses the opening. */
  serve: (far: FarEnd, opening: OpenOptions) => void | Promise<void>;
}

export interface FarEnd {
  readonly bytes: Duplex;
  /** Ends the stream from there, with its last words. */
  readonly end: (reason: string) => void;
}

export function createFakeLink({ name, serve }: FakeLinkOptions): Link {
  return {
    address: `fake://${name}`,
    async open(opening): Promise<LinkStream> {
      const { signal } = opening;
      const canceled = (): ThinClonesError => fail('canceled', {}, { cause: signal.reason });
      if (signal.aborted) throw canceled();
      const [near, far] = duplexPair();
      const { promise: ended, resolve } = Promise.withResolvers<ThinClonesError>();
      const end = (problem: string): void => {
        resolve(fail('host_unreachable', { host: name, problem }));
        near.destroy();
        far.destroy();
      };
      for (const stream of [near, far]) {
        // best effort: whoever uses a stream hears of its errors; here its end is told.
        stream.on('error', () => undefined);
        stream.once('close', () => end('the link was closed'));
      }
      const serving = (async () => serve({ bytes: far, end }, opening))();
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      const onAbort = (): void => reject(canceled());
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        await Promise.race([serving, aborted]);
      } catch (error) {
        end('the link was closed');
        throw error;
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
      return { bytes: near, ended, close: () => end('the link was closed') };
    },
  };
}
