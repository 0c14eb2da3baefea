/** What became of the latest attempts to reach a host, for people who look why nobody gets there. */
import type { Clock } from '../ports/clock.ts';
import type { HostLogLine } from '../protocol/entities.ts';

export interface AttemptLog {
  lines(): readonly HostLogLine[];
  add(level: HostLogLine['level'], text: string): void;
}

const mostLines = 200;
/** "12 of 94 MB" is the same line as "13 of 94 MB". */
const withoutNumbers = (text: string): string => text.replaceAll(/\d+/g, '');

export function createAttemptLog(clock: Clock): AttemptLog {
  const lines: HostLogLine[] = [];
  return {
    lines: () => lines,
    add(level, text) {
      const last = lines.at(-1);
      if (level === 'info' && last?.level === level && withoutNumbers(last.text) === withoutNumbers(text))
        lines.pop();
      lines.push({ at: clock.now().toISOString(), level, text });
      if (lines.length > mostLines) lines.shift();
    },
  };
}
