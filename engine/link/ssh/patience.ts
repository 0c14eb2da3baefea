/** How long a host may be silent: not while a person is asked, or we ourselves are at work. */

export interface Patience {
  /** Resolves, with the seconds, when nothing was heard for that long. */
  over: Promise<number>;
  heard: () => void;
  /** Begins and ends a time that does not count; there may be several at once. */
  pause: (begins: boolean) => void;
  stop: () => void;
}

export function startPatience(ms: number): Patience {
  const { promise: over, resolve } = Promise.withResolvers<number>();
  let paused = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const heard = (): void => {
    clearTimeout(timer);
    if (paused === 0 && !stopped) timer = setTimeout(() => resolve(ms / 1000), ms);
  };
  heard();
  return {
    over,
    heard,
    pause: (begins) => {
      paused += begins ? 1 : -1;
      heard();
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
