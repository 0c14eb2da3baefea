/** Waits for a condition that only polling can see. */
import { setTimeout as delay } from 'node:timers/promises';

/** Ends the waiting for what never comes; a slow machine that is loaded has taken 20 s to start a page again. */
export const WAIT_MS = 60_000;

const POLL_MS = 50;

/**
 * Calls `look` until it answers something other than undefined, and answers that. On timeout the error says what was
 * waited for, and `seen` adds what was there instead.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  options: { readonly timeoutMs?: number; readonly seen?: () => Promise<unknown> } = {},
): Promise<T> {
  const { timeoutMs = WAIT_MS, seen } = options;
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) {
      const instead = seen ? ` Seen instead: ${JSON.stringify(await seen())}` : '';
      throw new Error(`Waited ${timeoutMs} ms for ${what}.${instead}`);
    }
    await delay(POLL_MS);
  }
}
