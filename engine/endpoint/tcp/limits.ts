/** What an endpoint grants its clients before it gives them up. */
export interface Limits {
  /** From connecting to a complete first packet, ms. */
  greetingMs: number;
  /** From the first packet to the server's first answer, waiting for a clone included, ms. */
  answerMs: number;
  /** From the server's first answer to its word that the client is logged in, ms. */
  loginMs: number;
  /** Connections that have not said yet what they want: beyond it the oldest one is closed for a new one. */
  greeting: number;
  /** Connections that the server has not logged in, of the 50 or more that it has; the others wait for their turn. */
  strangers: number;
  /** How long one of those may take at least, ms: beyond it, it is closed when another one waits. */
  strangerMs: number;
  /** Connections that wait for a clone at the same time, and that wait for their turn. */
  held: number;
  /** Open connections of all kinds: beyond it they are closed as they come. */
  connections: number;
  /** How long a client may take to close after it was told to, ms. */
  lingerMs: number;
  /** The same when the endpoint closes, ms. */
  closeMs: number;
}

export const defaultLimits: Limits = {
  greetingMs: 10_000,
  answerMs: 30_000,
  loginMs: 10_000,
  greeting: 100,
  strangers: 10,
  strangerMs: 500,
  held: 200,
  connections: 1_000,
  lingerMs: 2_000,
  closeMs: 500,
};
