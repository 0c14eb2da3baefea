/** Writes what became of the attempts to reach a host as a page for people. */
import type { HostLogLine } from '../../engine/protocol/entities.ts';
import { escaped, fenced } from '../views/markdown.ts';

/** Markdown. */
export function logPage(name: string, lines: readonly HostLogLine[]): string {
  const text = lines
    .map(
      ({ at, level, text: said }) =>
        `${new Date(at).toLocaleTimeString()}  ${level === 'warning' ? '! ' : '  '}${said}`,
    )
    .join('\n');
  return [
    `# Attempts to reach host ${escaped(name)}`,
    lines.length === 0 ? 'There was none since the engine was started.' : fenced(text),
  ].join('\n\n');
}
