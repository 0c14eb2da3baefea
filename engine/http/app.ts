/** What answers requests, apart from what carries their bytes. */

export interface AppRequest {
  method: string;
  /** As it came: a path, and a query if it has one. */
  target: string;
  header(name: string): string | undefined;
  /** The body, or undefined when it has more bytes than this. */
  text(mostBytes: number): Promise<string | undefined>;
  /** Aborts when nobody waits for the answer any more. */
  signal: AbortSignal;
}

/** Resolves when the reader can take more. */
export type Write = (text: string) => Promise<void>;

export interface AppAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** Whole, or written piece by piece until the promise resolves. */
  body: string | ((write: Write) => Promise<void>);
}

/** Never rejects: what goes wrong is an answer. */
export type App = (request: AppRequest) => Promise<AppAnswer>;
