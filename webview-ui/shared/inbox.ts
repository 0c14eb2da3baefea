/** Lets through the messages that fit a schema; counts and drops the rest. Used on both sides. */

interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false };
}

export interface Inbox {
  /** Takes whatever came in. */
  receive(message: unknown): void;
  readonly dropped: number;
}

/** `onDropped` gets the number of all messages dropped so far. */
export function createInbox<T>(
  schema: Schema<T>,
  onMessage: (message: T) => void,
  onDropped: (count: number) => void,
): Inbox {
  let dropped = 0;
  return {
    receive(message) {
      const parsed = schema.safeParse(message);
      if (parsed.success) {
        onMessage(parsed.data);
        return;
      }
      dropped += 1;
      onDropped(dropped);
    },
    get dropped() {
      return dropped;
    },
  };
}
