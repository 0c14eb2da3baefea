/** Writes the event feed for one reader, as server-sent events, until the reader leaves or the feed ends. */
import type { Event } from '../protocol/events.ts';
import type { Feed } from '../jobs/feed.ts';
import type { Write } from './app.ts';

const keepAliveMs = 15_000;
const mostWaiting = 20_000;

/** `signal`: the engine stops, or nobody reads any more. */
export async function streamEvents(
  feed: Feed,
  from: { epoch: string; seq: number },
  write: Write,
  signal: AbortSignal,
): Promise<void> {
  const ending = AbortSignal.any([signal, feed.ended]);
  const waiting: Event[] = [];
  let wake = (): void => undefined;
  const reader = { tooSlow: false };
  const unsubscribe = feed.subscribe(from, (event) => {
    // One who does not read must not fill the engine's memory: it comes back and reads the overview.
    if (waiting.length >= mostWaiting) reader.tooSlow = true;
    else waiting.push(event);
    wake();
  });
  const timer = setInterval(() => wake(), keepAliveMs);
  const onEnd = (): void => wake();
  ending.addEventListener('abort', onEnd);
  try {
    await write(': ready\n\n');
    while (!reader.tooSlow) {
      const batch = waiting.splice(0);
      const text = batch.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
      await write(text === '' ? ': still here\n\n' : text);
      if (waiting.length > 0) continue;
      // What came before the end is told.
      if (ending.aborted) break;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    clearInterval(timer);
    ending.removeEventListener('abort', onEnd);
    unsubscribe();
  }
}
