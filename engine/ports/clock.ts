/** The ports to time and chance. */
export interface Clock {
  /** Wall time, for people and for expiry. */
  now(): Date;
  /** Milliseconds that never jump, for durations. */
  monotonic(): number;
  /** Rejects when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** 16 characters of a-z2-7: 80 bits. */
  id(): string;
  /** A password that needs no quoting anywhere: letters and digits, at least 128 bits. */
  password(): string;
}
