/** Runs `thin-clones` as a process of its own, as a shell does, on the home of a test's engine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Context } from 'mocha';
import type { DoctorCheck } from '../../engine/protocol/entities.ts';
import { makeTestEngine, repository, type TestEngine } from '../support/engine.ts';
import { skipSuite } from '../support/skips.ts';

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}
export interface RunningCommand {
  pid: number;
  finished: Promise<Finished>;
  signal(name: NodeJS.Signals): void;
  /** Resolves when stderr has this text; rejects when the command ends before. */
  says(text: string): Promise<void>;
}

export function startCommand(
  engine: TestEngine,
  argv: readonly string[],
  options: { cwd?: string; variables?: Record<string, string> } = {},
): RunningCommand {
  const child = spawn(process.execPath, [join(repository, 'engine', 'cli', 'main.ts'), ...argv], {
    cwd: options.cwd ?? engine.home,
    env: {
      ...process.env,
      NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
      ...engine.variables,
      ...options.variables,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close') as Promise<[number | null]>;
  const finished = closed.then(([code]) => ({ code, stdout, stderr }));
  return {
    pid: child.pid ?? 0,
    finished,
    signal: (name) => child.kill(name),
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (stderr.includes(text)) resolve();
        };
        look();
        child.stderr.on('data', look);
        void finished.then((ended) =>
          reject(new Error(`it ended without "${text}": ${JSON.stringify(ended)}`)),
        );
      }),
  };
}

export const thinClones = (engine: TestEngine, ...argv: string[]): Promise<Finished> =>
  startCommand(engine, argv).finished;

/** The one document on stdout; the test says what it must be. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the same as `as Document` at each call
export const parsed = <Document>({ stdout }: Finished): Document => JSON.parse(stdout) as Document;

/** For suites that make clones: they are skipped where the doctor finds that none can be made. */
export async function makeUsableEngine(
  context: Context,
  variables: Readonly<Record<string, string>>,
): Promise<TestEngine> {
  const engine = await makeTestEngine({ variables });
  const { items } = parsed<{ items: DoctorCheck[] }>(await thinClones(engine, 'host', 'doctor', '--json'));
  const problems = items.filter(({ status }) => status === 'problem');
  if (problems.length === 0) return engine;
  await engine.dispose();
  return skipSuite(context, problems.map(({ message }) => message).join('; '));
}
