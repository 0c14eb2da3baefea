/** What an endpoint has to know of an engine's protocol to route a client, to refuse it readably and to part it from its server. */

/** What a client's first bytes are. */
export type Greeting =
  /** Not complete yet. */
  | { kind: 'more' }
  /** A question that the endpoint answers itself; the next greeting begins after `length` bytes. */
  | { kind: 'question'; length: number; answer: Buffer }
  /**
   * Asks for TLS, which begins after `length` bytes. `agree` is said before it: nothing to a client that has begun with it, and must
   * name the protocol in there. `decline` has it go on without; undefined: it never would.
   */
  | { kind: 'secure'; length: number; agree: Buffer | undefined; decline: Buffer | undefined }
  /** Asks to cancel what the session with this key runs; all bytes go to that session's server. */
  | { kind: 'cancel'; key: string }
  /** A client waits for its server: these `length` bytes may go to any, and to another one while that has not answered. */
  | { kind: 'start'; length: number }
  /** This protocol, in a form that no server of ours speaks. */
  | { kind: 'unsupported'; answer: Buffer }
  /** Not this protocol. */
  | { kind: 'garbage' };

/** Follows what a server and its client send to each other, without holding anything up. */
export interface SessionStream {
  /** From the server. */
  push(chunk: Buffer): void;
  /** From the client, after its first packet: the server is no longer idle. */
  asked(chunk: Buffer): void;
  /** All that was pushed ends with a whole message: another one can follow. */
  whole(): boolean;
  /** The server has let the client in. */
  loggedIn(): boolean;
  /** The server has answered everything, and waits for the client. */
  idle(): boolean;
  /** A transaction is open, also the one that a query is by itself which the server has not answered yet, however many were asked ahead. */
  inTransaction(): boolean;
  /** What names this session in a cancel request, once the server has told it. */
  key(): string | undefined;
}

/** How an endpoint itself goes over to TLS with a server. */
export interface WireSecurity {
  /** The protocol's name in the handshake (ALPN). */
  readonly protocol: string;
  readonly request: Buffer;
  /** Whether a server that was sent the request goes over to TLS now. undefined: that is no answer to it. */
  agreed(answer: Buffer): boolean | undefined;
}

export interface Wire {
  readonly security: WireSecurity;
  /** Longer first packets are no greeting, bytes. */
  readonly maxGreeting: number;
  greet(bytes: Buffer): Greeting;
  follow(): SessionStream;
  /** The request that cancels what the session with this key runs. */
  cancel(key: string): Buffer;
  /** Said instead of a server's first answer; the connection ends after it. */
  refusal(message: string, hint: string): Buffer;
  /** Said between two messages of a server; the connection ends after it. */
  parting(message: string): Buffer;
}
