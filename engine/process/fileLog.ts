/** The engine's log file: one JSON line for each entry, rotated, mode 0600, never with a secret. */
import { appendFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { createStream } from 'rotating-file-stream';
import type { Log } from '../ports/log.ts';

const levels = ['debug', 'info', 'warning', 'error'] as const;
export type LogLevel = (typeof levels)[number];

export const parseLevel = (text: string | undefined): LogLevel =>
  levels.find((level) => level === text) ?? 'info';

/** 5 MB a file, five files. Also written to `echo` when the engine runs in the foreground. */
export function openLog(
  path: string,
  level: LogLevel,
  echo?: (line: string) => void,
): { log: Log; close: () => Promise<void> } {
  const stream = createStream(basename(path), { path: dirname(path), size: '5M', maxFiles: 5, mode: 0o600 });
  // A full disk must not end the engine: the log is the least of what it keeps.
  stream.on('error', (error) => echo?.(`log: ${error.message}`));
  const write =
    (each: LogLevel): Log[LogLevel] =>
    (text, fields) => {
      if (levels.indexOf(each) < levels.indexOf(level)) return;
      const line = JSON.stringify({ time: new Date().toISOString(), level: each, text, ...fields });
      stream.write(`${line}\n`);
      echo?.(line);
    };
  return {
    log: { debug: write('debug'), info: write('info'), warning: write('warning'), error: write('error') },
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}

/** One line by a process whose log it is not yet: the engine that holds the home writes and rotates it. */
export function addLine(path: string, text: string, fields: Readonly<Record<string, unknown>> = {}): void {
  const line = JSON.stringify({ time: new Date().toISOString(), level: 'warning', text, ...fields });
  try {
    appendFileSync(path, `${line}\n`, { mode: 0o600 });
  } catch {
    // best effort: a full disk must not end who waits, as it does not end an engine
  }
}
