/** Asks the person at the terminal: a yes or no before something is lost, a password without echo. */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { Writable } from 'node:stream';
import { fail } from '../protocol/errors.ts';
import type { TextStream } from './output.ts';

export interface Prompter {
  /** Somebody can be asked: input and error output are a terminal. */
  readonly available: boolean;
  /**
   * A line of text; without echo when `hidden`. Errors: `canceled` on Ctrl-C, at the end of the input, and when the signal
   * says that nobody needs it any more.
   */
  ask(question: string, options?: { hidden?: boolean; signal?: AbortSignal }): Promise<string>;
}

export interface PrompterOptions {
  stdin: Readable & { isTTY?: boolean };
  stderr: TextStream;
}

export function createPrompter(options: PrompterOptions): Prompter {
  return {
    get available() {
      return options.stdin.isTTY === true && options.stderr.isTTY === true;
    },
    ask: (question, { hidden = false, signal } = {}) =>
      new Promise((resolve, reject) => {
        const { stdin, stderr } = options;
        // With `terminal`, readline echoes what is typed itself: what it writes decides what is seen.
        const echo = new Writable({
          write(chunk: Buffer, _encoding, done) {
            if (!hidden) stderr.write(chunk.toString());
            done();
          },
        });
        const lines = createInterface({ input: stdin, output: echo, terminal: true });
        // Only now does the terminal itself no longer echo: what is typed at the sight of the question stays unseen.
        stderr.write(question);
        let answer: string | undefined;
        lines.on('line', (line) => {
          answer = line;
          lines.close();
        });
        lines.on('SIGINT', () => lines.close());
        const onAbort = (): void => lines.close();
        if (signal?.aborted === true) onAbort();
        signal?.addEventListener('abort', onAbort, { once: true });
        lines.on('close', () => {
          signal?.removeEventListener('abort', onAbort);
          if (hidden || answer === undefined) stderr.write('\n');
          if (answer === undefined) reject(fail('canceled', {}));
          else resolve(answer);
        });
      }),
  };
}
