/** Looks one at a time, and once more when something came in the meantime. */

export interface Looking {
  /** Resolves when a look that began after this call has ended. */
  look(): Promise<void>;
  /** Resolves when no look is under way. */
  ended(): Promise<void>;
}

/** `lookOnce` tells its own errors: one that it throws ends the looks that were asked for. */
export function createLooking(lookOnce: () => Promise<void>): Looking {
  let isWanted = false;
  let underway: Promise<void> | undefined;
  const lookOn = async (): Promise<void> => {
    try {
      while (isWanted) {
        isWanted = false;
        await lookOnce();
      }
    } finally {
      // In the same turn as the last question whether another one is wanted: what is asked for after it begins anew.
      underway = undefined;
    }
  };
  return {
    look() {
      isWanted = true;
      underway ??= lookOn();
      return underway;
    },
    ended: async () => underway,
  };
}
