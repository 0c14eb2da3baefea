/** What an endpoint grants its clients before it gives them up. */
export interface Limits {
  /** From connecting to a complete first packet, ms. */
  greetingMs: number;
  /** From the first packet to the server's first answer, waiting for a clone included, ms. */
  answerMs: number;
  /** Connections that wait for a clone at the same time. */
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
  held: 200,
  connections: 1_000,
  lingerMs: 2_000,
  closeMs: 500,
};
