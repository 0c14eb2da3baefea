/** Runs one suite in processes of its own and says what came of it, including what it left behind. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './children.ts';
import { watchLeftovers } from './leftovers.ts';
import { parseSpecText, readLeft, readResults, readSkips, type Counts, type Failure } from './results.ts';
import { CANNOT_RUN_HERE, type Step, type Suite } from './suites.ts';

export interface NotRun {
  readonly what: string;
  readonly reason: string;
}

export interface Outcome {
  readonly suite: string;
  readonly passed: number;
  readonly failures: readonly Failure[];
  /** Tests that were skipped, each with its reason. */
  readonly skipped: readonly NotRun[];
  /** What a long run has besides. */
  readonly left: readonly string[];
  /** Why the whole suite can't run here. */
  readonly unavailable: string | undefined;
  readonly ms: number;
  readonly log: string;
}

export interface RunContext {
  readonly checkout: string;
  /** Short: unix sockets lie below it. One folder for each suite is made inside. */
  readonly temporary: string;
  readonly logs: string;
  readonly signal: AbortSignal;
  /** With a pattern, a suite in which nothing matches is all right. */
  readonly grep: string | undefined;
  /** How long what is still there may be ending. */
  readonly graceMs?: number;
}

const TAIL_LINES = 60;

export async function runSuite(suite: Suite, index: number, context: RunContext): Promise<Outcome> {
  const started = performance.now();
  const log = join(context.logs, `${suite.name}.log`);
  const inLogs = (kind: string): string => join(context.logs, `${suite.name}.${kind}.jsonl`);
  const files = { results: inLogs('results'), skips: inLogs('skips'), left: inLogs('left') };
  const { results, skips } = files;
  for (const file of [log, ...Object.values(files)]) rmSync(file, { force: true });
  const leftovers = await watchLeftovers(join(context.temporary, String(index)), context.graceMs);

  // Thirty times as many kills and commits.
  const minutes = suite.timeoutMinutes * (process.env['THIN_CLONES_THOROUGH'] === '1' ? 30 : 1);
  let passed = 0;
  const failures: Failure[] = [];
  const skipped: NotRun[] = [];
  let unavailable: string | undefined;

  try {
    for (const step of suite.steps) {
      const logStart = existsSync(log) ? readFileSync(log, 'utf8').length : 0;
      rmSync(results, { force: true });
      const { code, timedOut } = await runChild({
        ...commandOf(step),
        cwd: context.checkout,
        env: suiteEnvironment(leftovers.folder, join(context.temporary, 'compiled'), files),
        log,
        timeoutMs: minutes * 60_000,
        signal: context.signal,
      });
      if (context.signal.aborted) break;
      const output = readFileSync(log, 'utf8').slice(logStart);
      if (timedOut) {
        failures.push({
          title: `${step.title} did not end within ${minutes} minutes`,
          error: tail(output),
        });
      } else if (code === CANNOT_RUN_HERE && saysSo(output) && readResults(results) === undefined) {
        unavailable = reasonIn(output);
      } else if (step.kind === 'check') {
        if (code === 0) passed += 1;
        else failures.push({ title: `${step.title} ended with exit code ${code}`, error: tail(output, 200) });
      } else {
        const counts = readResults(results) ?? parseSpecText(output);
        passed += counts?.passed ?? 0;
        failures.push(...(counts?.failures ?? []));
        skipped.push(...explain(counts, skips));
        failures.push(...problemsOf(step, code, counts, output, context.grep));
      }
    }
  } finally {
    const left = await leftovers.find();
    if (left.length > 0) {
      if (!context.signal.aborted) {
        failures.push({ title: `${suite.name} left something behind`, error: left.join('\n') });
      }
    }
    await leftovers.clear();
  }
  const ms = performance.now() - started;
  return { suite: suite.name, passed, failures, skipped, left: readLeft(files.left), unavailable, ms, log };
}

function commandOf(step: Step): { program: string; args: readonly string[] } {
  const args = ['--disable-warning=ExperimentalWarning', ...step.args];
  const hasDisplay = ['DISPLAY', 'WAYLAND_DISPLAY'].some((name) => process.env[name]);
  const virtual = '/usr/bin/xvfb-run';
  return step.display === true && process.platform === 'linux' && !hasDisplay && existsSync(virtual)
    ? { program: virtual, args: ['-a', process.execPath, ...args] }
    : { program: process.execPath, args };
}

/** What a caller chooses of the tests themselves. */
const chosen = ['THIN_CLONES_SEED', 'THIN_CLONES_THOROUGH'];

/** Nothing of the caller's own engine may be used or changed by a test. */
function suiteEnvironment(
  temporary: string,
  compiled: string,
  files: { results: string; skips: string; left: string },
): Record<string, undefined | string> {
  const ours = Object.keys(process.env).filter(
    (name) => name.startsWith('THIN_CLONES_') && !chosen.includes(name),
  );
  return {
    ...Object.fromEntries(ours.map((name) => [name, undefined])),
    TMPDIR: temporary,
    // A test that forgets to choose a home leaves this folder, and is caught by it.
    THIN_CLONES_HOME: join(temporary, 'forgotten-home'),
    // Hundreds of engines and commands start from the same sources: compiled once, each starts in half the time.
    NODE_COMPILE_CACHE: compiled,
    THIN_CLONES_RESULTS: files.results,
    THIN_CLONES_SKIPS: files.skips,
    THIN_CLONES_LEFT: files.left,
  };
}

/** What the counts alone do not show: a crash, a run without a test. */
function problemsOf(
  step: Step,
  code: number,
  counts: Counts | undefined,
  output: string,
  grep: string | undefined,
): Failure[] {
  if (counts === undefined) {
    return [{ title: `${step.title} ended with exit code ${code} and no results`, error: tail(output) }];
  }
  if (code !== 0 && counts.failures.length === 0) {
    return [
      { title: `${step.title} ended with exit code ${code} although no test failed`, error: tail(output) },
    ];
  }
  const executed = counts.passed + counts.failures.length + counts.pending.length;
  if (executed === 0 && grep === undefined) {
    return [{ title: `${step.title} executed no test`, error: tail(output) }];
  }
  return [];
}

function explain(counts: Counts | undefined, skipsFile: string): NotRun[] {
  const skips = readSkips(skipsFile);
  return (counts?.pending ?? []).map((title) => ({
    what: title,
    reason: skips.find(({ suite }) => title.startsWith(suite))?.reason ?? 'no reason was given',
  }));
}

const cannotRun = 'Cannot run here: ';

/** The exit code alone says nothing: mocha's is its number of failures. */
const saysSo = (output: string): boolean => output.split('\n').some((line) => line.startsWith(cannotRun));

function reasonIn(output: string): string {
  const line = output.split('\n').findLast((text) => text.startsWith(cannotRun)) ?? '';
  return line.replace(cannotRun, '');
}

function tail(output: string, lines = TAIL_LINES): string {
  return output.trimEnd().split('\n').slice(-lines).join('\n');
}
