/**
 * Brings every line of one job to its page once and in order: from the engine's log what is missing, from the event stream
 * what is new. The page says what it has taken before it gets more, so that a flood neither blocks it nor piles up here.
 */
import type { JobLine } from '../../engine/protocol/entities.ts';
import { linesInMessage } from '../../webview-ui/jobs/messages.ts';

export interface LineRelay {
  /** The page is there and holds the lines up to this number. */
  start(through: number): void;
  /** The page has taken the lines up to this number. */
  took(through: number): void;
  /** A new line was told. */
  line(line: JobLine): void;
  /** Lines may have been missed: look in the log. */
  lookAgain(): void;
  /** The page is gone; `start` begins anew. */
  stop(): void;
}

export interface LineRelayOptions {
  /** Lines above a number, rising; none when there are no more. */
  readonly fetch: (after: number, signal: AbortSignal) => Promise<readonly JobLine[]>;
  readonly send: (lines: readonly JobLine[]) => void;
  /** The log could not be read; it is read again at `lookAgain`, and when a line is told. */
  readonly onFailure: (error: unknown) => void;
}

export function createLineRelay({ fetch, send, onFailure }: LineRelayOptions): LineRelay {
  /** New for each page. */
  let page: AbortController | undefined;
  let sent = 0;
  let taken = 0;
  /** Lines that follow what was sent, without a gap. */
  let waiting: JobLine[] = [];
  /** There may be lines in the log between what was sent and what is new. */
  let behind = false;
  /** Counts what the log may have got since it was asked: an answer without news may be too old to have it. */
  let told = 0;
  let fetching = false;

  const fallBehind = (): void => {
    waiting = [];
    behind = true;
  };

  const deliver = (lines: readonly JobLine[]): void => {
    const last = lines.at(-1);
    if (last === undefined) return;
    sent = last.line;
    send(lines);
  };

  const read = async (of: AbortController): Promise<void> => {
    fetching = true;
    const before = told;
    try {
      const lines = await fetch(sent, of.signal);
      if (of.signal.aborted) return;
      const news = lines.filter(({ line }) => line > sent).slice(0, linesInMessage);
      if (news.length === 0 && told === before) behind = false;
      deliver(news);
    } catch (error) {
      if (of.signal.aborted) return;
      onFailure(error);
      return;
    } finally {
      if (page === of) fetching = false;
    }
    pump();
  };

  const pump = (): void => {
    if (page === undefined || taken < sent || fetching) return;
    if (behind) void read(page);
    else deliver(waiting.splice(0, linesInMessage));
  };

  return {
    start(through) {
      page?.abort();
      page = new AbortController();
      sent = through;
      taken = through;
      fetching = false;
      fallBehind();
      pump();
    },
    took(through) {
      taken = Math.max(taken, through);
      pump();
    },
    line(line) {
      if (page === undefined) return;
      if (behind) {
        told += 1;
        pump();
        return;
      }
      const next = (waiting.at(-1)?.line ?? sent) + 1;
      if (line.line < next) return;
      if (line.line > next || waiting.length >= linesInMessage * 2) fallBehind();
      else waiting.push(line);
      pump();
    },
    lookAgain() {
      if (page === undefined) return;
      told += 1;
      fallBehind();
      pump();
    },
    stop() {
      page?.abort();
      page = undefined;
      waiting = [];
      fetching = false;
    },
  };
}
