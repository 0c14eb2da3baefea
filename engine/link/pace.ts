/** Shares the time of this process: who talks without end is listened to half of the time. */

/** Milliseconds of work before a rest. */
const mostWorkMs = 20;

export interface Pace {
  /** Call when a piece of work is done that began at this time; resolves when the next one may begin. */
  after(begin: number): Promise<void>;
}

export function createPace(now: () => number = () => performance.now()): Pace {
  let owed = 0;
  let last = now();
  return {
    async after(begin) {
      const end = now();
      owed = Math.max(0, owed - (begin - last)) + (end - begin);
      last = end;
      if (owed < mostWorkMs) return;
      await new Promise((resolve) => setTimeout(resolve, owed));
    },
  };
}
