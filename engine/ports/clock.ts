/** The ports to time and chance. */
export interface Clock {
  /** Wall time, for people and for expiry. */
  now(): Date;
  /** Milliseconds that never jump, for durations. */
  monotonic(): number;
  /** Rejects when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Waits for work, and for no longer than so many milliseconds: what takes longer goes on. True: it has ended. */
export async function waitAtMost(
  { sleep }: Pick<Clock, 'sleep'>,
  ms: number,
  work: Promise<unknown>,
): Promise<boolean> {
  const ended = new AbortController();
  const over = sleep(ms, ended.signal).then(
    () => false,
    () => true, // best effort: it was ended by the work, which the race tells
  );
  try {
    return await Promise.race([work.then(() => true), over]);
  } finally {
    ended.abort();
  }
}

export interface Random {
  /** 16 characters of a-z2-7: 80 bits. */
  id(): string;
  /** A password that needs no quoting anywhere: letters and digits, at least 128 bits. */
  password(): string;
}
