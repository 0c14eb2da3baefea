/** Where a command's words go: its answer to stdout, everything else to stderr. */
import { styleText } from 'node:util';
import type { Job, JobLine } from '../protocol/entities.ts';
import type { ThinClonesError } from '../protocol/errors.ts';
import { columnsOf, printable } from './format.ts';

export interface TextStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface OutputOptions {
  stdout: TextStream;
  stderr: TextStream;
  variables: Readonly<Record<string, string | undefined>>;
}

export interface Answer {
  /** An entity, or a list of them as `{ items }`. */
  json: unknown;
  text: () => string;
}

export interface Output {
  json: boolean;
  /** The one answer of a command: a JSON document with --json, else text for people. */
  answer(answer: Answer): void;
  /** A line on stderr; with --json too. */
  note(text: string): void;
  failure(failure: ThinClonesError): void;
  /** A status line on a terminal, log lines above it; plain log lines otherwise. */
  progress: { line(line: JobLine): void; job(job: Job): void; end(): void };
}

const levelColours = { info: 'dim', warning: 'yellow', error: 'red' } as const;
type Colour = (typeof levelColours)[keyof typeof levelColours];

/** https://no-color.org: set and not empty, whatever its value. */
const hasColours = ({ stderr, variables }: OutputOptions): boolean =>
  stderr.isTTY === true && (variables.NO_COLOR ?? '') === '' && variables.TERM !== 'dumb';

/** "Reset clone a: restore 34%". */
function statusText(job: Job): string {
  const running = job.tasks.filter((task) => task.state === 'running');
  const doing = running.map((task) =>
    task.progress === null ? task.name : `${task.name} ${Math.floor(task.progress * 100)}%`,
  );
  return doing.length === 0 ? `${job.title}: ${job.state}` : `${job.title}: ${doing.join(', ')}`;
}

function cut(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let kept = text;
  while (kept !== '' && columnsOf(kept) > columns - 1) kept = kept.slice(0, -1);
  return `${kept}…`;
}

export function createOutput(options: OutputOptions): Output {
  const colour = (name: Colour, text: string): string =>
    hasColours(options) ? styleText(name, text, { validateStream: false }) : text;
  const moves = () => options.stderr.isTTY === true && options.variables.TERM !== 'dumb';
  let status = '';
  const erase = () => {
    if (status !== '') options.stderr.write('\r\u001b[K');
    status = '';
  };
  const show = (text: string) => {
    if (!moves() || text === status) return;
    erase();
    // One column less than there are: a full line would wrap, and then it can't be erased.
    status = cut(printable(text), (options.stderr.columns ?? 80) - 1);
    options.stderr.write(status);
  };
  const above = (text: string) => {
    const kept = status;
    erase();
    options.stderr.write(`${text}\n`);
    if (kept !== '') show(kept);
  };
  const showLine = ({ level, task, text }: JobLine) => {
    const prefix = level === 'info' ? '' : `${level}: `;
    const where = task === null ? '' : `[${task}] `;
    above(colour(levelColours[level], printable(`${where}${prefix}${text}`)));
  };
  // The last line of a job that failed is its error, which the command then ends with.
  let held: JobLine | undefined;
  /** Shows the line that was held back, unless what comes now says the same. */
  const release = (text = '') => {
    const line = held;
    held = undefined;
    if (line !== undefined && (text === '' || !line.text.startsWith(text))) showLine(line);
  };
  const output: Output = {
    json: false,
    answer({ json, text }) {
      release();
      erase();
      const written = output.json ? JSON.stringify(json, null, 2) : text();
      if (written !== '') options.stdout.write(`${written}\n`);
    },
    note(text) {
      release(text);
      above(text);
    },
    failure({ document }) {
      release(output.json ? '' : document.message);
      erase();
      if (output.json) {
        options.stdout.write(`${JSON.stringify({ error: document }, null, 2)}\n`);
        return;
      }
      const safe = (text: string) => text.split('\n').map(printable).join('\n');
      const next = document.next === '' ? '' : `\n${safe(document.next)}`;
      options.stderr.write(`${colour('red', 'error:')} ${safe(document.message)}${next}\n`);
    },
    progress: {
      line(line) {
        release();
        if (line.level === 'info') showLine(line);
        else held = line;
      },
      job(job) {
        if (job.endedAt === null) release();
        show(statusText(job));
      },
      end: erase,
    },
  };
  return output;
}
