/** What an endpoint has to know of an engine's protocol to route a client, to refuse it readably and to part it from its server. */

/** What a client's first bytes are. */
export type Greeting =
  /** Not complete yet. */
  | { kind: 'more' }
  /** A question that the endpoint answers itself; the next greeting begins after `length` bytes. */
  | { kind: 'question'; length: number; answer: Buffer }
  /** Asks to cancel what the session with this key runs; all bytes go to that session's server. */
  | { kind: 'cancel'; key: string }
  /** A client waits for its server: these `length` bytes may go to any, and to another one while that has not answered. */
  | { kind: 'start'; length: number }
  /** This protocol, in a form that no server of ours speaks. */
  | { kind: 'unsupported'; answer: Buffer }
  /** Not this protocol. */
  | { kind: 'garbage' };

/** Follows what a server sends to one client, without holding anything up. */
export interface ServerStream {
  push(chunk: Buffer): void;
  /** The client has sent something, so the server is no longer idle. */
  asked(): void;
  /** All that was pushed ends with a whole message: another one can follow. */
  whole(): boolean;
  /** The server has let the client in. */
  loggedIn(): boolean;
  /** The server has said that it waits for the client. */
  idle(): boolean;
  /** What names this session in a cancel request, once the server has told it. */
  key(): string | undefined;
}

export interface Wire {
  /** Longer first packets are no greeting, bytes. */
  readonly maxGreeting: number;
  greet(bytes: Buffer): Greeting;
  follow(): ServerStream;
  /** The request that cancels what the session with this key runs. */
  cancel(key: string): Buffer;
  /** Said instead of a server's first answer; the connection ends after it. */
  refusal(message: string, hint: string): Buffer;
  /** Said between two messages of a server; the connection ends after it. */
  parting(message: string): Buffer;
}
