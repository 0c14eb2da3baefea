/** Whether a clone that a person stopped is wanted in a checkout again: because HEAD has moved since, or somebody asked for it. */

export interface StartRequest {
  /** Where HEAD stands now, each time that it is looked at; undefined: nobody can read it. */
  sees(stand: string | undefined): void;
  /** Somebody asks for the clone of what HEAD stands at. */
  ask(): void;
  /** A clone that runs has fulfilled it. */
  forget(): void;
  isThere(): boolean;
  /** Whether there is one; it is good for one start. */
  take(): boolean;
}

export function createStartRequest(): StartRequest {
  /** Not known at first: an engine that starts has seen no move. */
  let stoodAt: string | undefined;
  let isWanted = false;
  return {
    sees(stand) {
      if (stand === undefined) return;
      if (stoodAt !== undefined && stoodAt !== stand) isWanted = true;
      stoodAt = stand;
    },
    ask() {
      isWanted = true;
    },
    forget() {
      isWanted = false;
    },
    isThere: () => isWanted,
    take() {
      const taken = isWanted;
      isWanted = false;
      return taken;
    },
  };
}
