/** The port to the engine of another host: one byte stream to `thin-clones engine bridge` there, which speaks HTTP/2 over it. */
import type { Duplex } from 'node:stream';
import type { ThinClonesError } from '../protocol/errors.ts';

export interface Link {
  /** For people: "ssh://me@big". */
  readonly address: string;
  /**
   * Opens a stream whose far end speaks HTTP/2; the engine there is brought, replaced and started where that is needed.
   * Errors: `host_unreachable` and those of the link's own kind; `canceled` when the signal aborts.
   */
  open(options: OpenOptions): Promise<LinkStream>;
}

export interface OpenOptions {
  signal: AbortSignal;
  /** What is being done, for people: "Logging in", "Copying the engine there: 12 of 94 MB". */
  onProgress?: (text: string) => void;
}

export interface LinkStream {
  readonly bytes: Duplex;
  /** Resolves when the stream has ended, with the reason: what the far end or the way to it said last. */
  readonly ended: Promise<ThinClonesError>;
  /** Ends the stream, and what carries it. */
  close(): void;
}
