/** The port to the engine of another host: one byte stream to `thin-clones engine bridge` there, which speaks HTTP/2 over it. */
import type { Duplex } from 'node:stream';
import type { DoctorCheck } from '../protocol/entities.ts';
import type { ThinClonesError } from '../protocol/errors.ts';

export interface Link {
  /** For people: "ssh://me@big". */
  readonly address: string;
  /**
   * Opens a stream whose far end speaks HTTP/2; the engine there is brought, replaced and started where that is needed.
   * Errors: `host_unreachable` and those of the link's own kind; `canceled` when the signal aborts.
   */
  open(options: OpenOptions): Promise<LinkStream>;
  /**
   * Takes away what was brought there, where the link brings something; resolves with paths that are not ours and stay.
   * Errors: as `open`; `uninstall_refused`, and nothing was changed.
   */
  uninstall?(options: UninstallOptions): Promise<readonly string[]>;
}

export interface OpenOptions {
  signal: AbortSignal;
  /** What is being done, for people: "Logging in", "Copying the engine there: 12 of 94 MB". */
  onProgress?: (text: string) => void;
  /** Without it nobody can be asked: what would need an answer fails. */
  ask?: Ask;
  /** The login is over: nothing is asked any more. */
  onLoggedIn?: () => void;
  /** What is found there, one after another; where it is given everything is looked at, also what is not needed. */
  onCheck?: (check: DoctorCheck) => void;
}

export interface UninstallOptions extends OpenOptions {
  /** Called after the login, when nothing speaks against it, and waited for: nothing was changed yet. */
  onBegin: () => Promise<void>;
}

/** What a login asks a person. */
export interface Question {
  kind: 'host-key' | 'password' | 'passphrase' | 'code' | 'other';
  /** In the words of the login's program or of the host, without control characters. */
  text: string;
  /** Of a host key: "SHA256:…". */
  fingerprint?: string;
}

/**
 * The answer, or undefined when there is none. A host key is accepted by "yes" alone. The signal aborts when the question
 * is asked no longer.
 */
export type Ask = (question: Question, signal: AbortSignal) => Promise<string | undefined>;

export interface LinkStream {
  readonly bytes: Duplex;
  /** Resolves when the stream has ended, with the reason: what the far end or the way to it said last. */
  readonly ended: Promise<ThinClonesError>;
  /** Ends the stream, and what carries it. */
  close(): void;
}
