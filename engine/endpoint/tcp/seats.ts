/** Who may talk to a server without having logged in yet: few at a time, so that nobody without a password takes all that it has. */

/** One client on its way to be logged in. */
export interface Seat {
  /** It is this one's turn. */
  admit(): void;
  /** It has had its time, or waited too long, and others want its place. */
  dismiss(): void;
}

export interface Seats {
  /** Admits at once, or when one of the others leaves. */
  take(seat: Seat): void;
  /** From now on it is up to the client how long it takes: its time begins. */
  begin(seat: Seat): void;
  /** It has logged in, or is gone. Idempotent. */
  leave(seat: Seat): void;
}

export interface SeatsOptions {
  count: number;
  /** How many may wait. */
  waiting: number;
  /** How long a seat is one's own while others wait, ms. */
  ownMs: number;
}

/**
 * Who came last is admitted first: a login takes milliseconds, so that in good times nobody waits long, and when somebody fills all seats
 * and the queue with what never logs in, whoever comes is next.
 */
export function createSeats({ count, waiting, ownMs }: SeatsOptions): Seats {
  const seated = new Set<Seat>();
  /** With the moment at which each one's time began; the first is the oldest. */
  const begun = new Map<Seat, number>();
  const queue: Seat[] = [];
  let timer: NodeJS.Timeout | undefined;

  const admit = (seat: Seat): void => {
    seated.add(seat);
    seat.admit();
  };

  const arrange = (): void => {
    clearTimeout(timer);
    while (queue.length > 0) {
      if (seated.size >= count) {
        const [oldest] = begun;
        if (oldest === undefined) return;
        const [seat, since] = oldest;
        const left = since + ownMs - performance.now();
        if (left > 0) {
          timer = setTimeout(arrange, left);
          return;
        }
        seated.delete(seat);
        begun.delete(seat);
        seat.dismiss();
      }
      const next = queue.pop();
      if (next !== undefined) admit(next);
    }
  };

  return {
    take(seat) {
      if (seated.size < count) {
        admit(seat);
        return;
      }
      if (queue.length >= waiting) queue.shift()?.dismiss();
      queue.push(seat);
      arrange();
    },
    begin(seat) {
      if (!seated.has(seat) || begun.has(seat)) return;
      begun.set(seat, performance.now());
      arrange();
    },
    leave(seat) {
      begun.delete(seat);
      if (seated.delete(seat)) {
        arrange();
        return;
      }
      const at = queue.indexOf(seat);
      if (at >= 0) queue.splice(at, 1);
      if (queue.length === 0) clearTimeout(timer);
    },
  };
}
