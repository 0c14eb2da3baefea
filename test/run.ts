/**
 * `npm test`: brings what the tests need, runs every suite in a process of its own, says what was left out, and ends
 * with a line "N passed, N failed".
 * Usage: npm test -- [--only NAME[,NAME]] [--grep PATTERN] [--list]
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bold, cyan, dim, formatMs, formatTable, green, red, yellow } from './support/commands/terminal.ts';
import type { Failure } from './support/commands/results.ts';
import { runSuite, type NotRun, type Outcome } from './support/commands/runSuite.ts';
import { startSetUp } from './support/commands/setUp.ts';
import { openTemporary } from './support/commands/temporary.ts';
import { isExcused, suitesOf, type Suite } from './support/commands/suites.ts';

const checkout = join(import.meta.dirname, '..');
const logs = join(checkout, 'out', 'logs');
const HEARTBEAT_MS = 60_000;

const say = (text: string): void => console.log(text);

function choose(suites: readonly Suite[], only: string | undefined, long: boolean): readonly Suite[] {
  if (only === undefined) return suites.filter(({ onDemand }) => long || onDemand !== true);
  const wanted = only.split(',').map((name) => name.trim());
  for (const name of wanted) {
    if (!suites.some((suite) => suite.name.startsWith(name))) {
      const names = suites.map((suite) => suite.name).join(', ');
      throw new Error(`There is no suite "${name}". There are: ${names}.`);
    }
  }
  return suites.filter((suite) => wanted.some((name) => suite.name.startsWith(name)));
}

/** What a run of everything leaves to a long one; who names suites knows what else there is. */
const leftOut = (
  all: readonly Suite[],
  chosen: readonly Suite[],
  only: string | undefined,
): readonly Suite[] => (only === undefined ? all.filter((suite) => !chosen.includes(suite)) : []);

function report(outcome: Outcome): void {
  const { suite, passed, failures, skipped, unavailable, ms } = outcome;
  const counts = [
    `${passed} passed`,
    ...(failures.length > 0 ? [`${failures.length} failed`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} skipped`] : []),
  ].join(', ');
  if (failures.length > 0) {
    say(`${red('✗')} ${suite.padEnd(24)} ${counts}, ${formatMs(ms)}; log: ${outcome.log}`);
    for (const failure of failures) say(describe(failure));
  } else if (unavailable !== undefined) {
    say(`${yellow('–')} ${suite.padEnd(24)} can't run here: ${unavailable}`);
  } else {
    say(`${green('✓')} ${suite.padEnd(24)} ${counts}, ${formatMs(ms)}`);
  }
}

function describe({ title, error }: Failure): string {
  return `\n    ${red(title)}\n${error
    .split('\n')
    .map((line) => `      ${line}`)
    .join('\n')}\n`;
}

/** With a line now and then, so that nobody takes a long suite for a hanging one. */
async function withHeartbeat<T>(name: string, work: Promise<T>): Promise<T> {
  const started = performance.now();
  const timer = setInterval(() => {
    say(dim(`  ${name} has been running for ${formatMs(performance.now() - started)}`));
  }, HEARTBEAT_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/** Grouped by reason: one missing thing often leaves out many tests. */
function groupByReason(items: readonly NotRun[]): string[] {
  const groups = new Map<string, string[]>();
  for (const { what, reason } of items) groups.set(reason, [...(groups.get(reason) ?? []), what]);
  return [...groups].map(([reason, what]) => {
    const shown = what.slice(0, 3).join('; ');
    return `  ${shown}${what.length > 3 ? `; and ${what.length - 3} more` : ''}: ${reason}`;
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      grep: { type: 'string' },
      list: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
    },
  });
  const all = suitesOf(checkout, { grep: values.grep });
  if (values.list) {
    say(formatTable(all.map(({ name, about }) => [name, about])));
    return 0;
  }
  // Read by the tests that can do more of the same.
  if (values.long) process.env['THIN_CLONES_THOROUGH'] = '1';
  const suites = choose(all, values.only, values.long);
  const strict = ['1', 'true'].includes(process.env['CI'] ?? '');

  const started = performance.now();
  const stop = new AbortController();
  const stopped = (): boolean => stop.signal.aborted;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (!stopped()) console.error(`\nStopping (${name}) ...`);
      stop.abort();
    });
  }
  await mkdir(logs, { recursive: true });
  const temporary = await openTemporary();
  if (temporary.inMemory) say(dim('  the suites work in memory'));
  const times: [string, number, string][] = [];
  const setUp = startSetUp({
    checkout,
    logs,
    needs: new Set(suites.flatMap(({ needs }) => needs)),
    signal: stop.signal,
    say: (text) => say(dim(`  ${text}`)),
    done: (name, ms) => {
      times.push([`set-up: ${name}`, ms, '']);
      say(`${cyan('·')} ${`set-up: ${name}`.padEnd(24)} ${formatMs(ms)}`);
    },
  });

  const outcomes: Outcome[] = [];
  const context = { checkout, temporary: temporary.folder, logs, signal: stop.signal, grep: values.grep };
  const runLane = async (lane: readonly Suite[]): Promise<void> => {
    for (const suite of lane) {
      await setUp.wait(suite.needs);
      if (stopped()) return;
      const outcome = await withHeartbeat(suite.name, runSuite(suite, all.indexOf(suite), context));
      outcomes.push(outcome);
      if (!stopped()) report(outcome);
    }
  };
  try {
    await Promise.all([
      runLane(suites.filter(({ aside }) => aside === true)),
      runLane(suites.filter(({ aside }) => aside !== true)),
    ]);
    await setUp.wait(['packages', 'build', 'programs', 'vscode', 'zfs']);
  } finally {
    await temporary.close();
  }
  if (stopped()) {
    console.error('Stopped.');
    return 130;
  }

  const skipped = outcomes.flatMap((outcome) => outcome.skipped);
  const unavailable = outcomes.flatMap(({ suite, unavailable: reason }) =>
    reason === undefined ? [] : [{ what: `suite ${suite}`, reason }],
  );
  const failures = [...setUp.failures, ...outcomes.flatMap((outcome) => outcome.failures)];
  if (strict) {
    const refused = [
      ...skipped,
      ...unavailable.filter(({ what, reason }) => !isExcused(what.replace('suite ', ''), reason)),
    ];
    if (refused.length > 0) {
      failures.push({
        title: 'nothing may be skipped where CI is set',
        error: groupByReason(refused).join('\n'),
      });
    }
  }
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);

  say(`\n${bold('Times')}`);
  for (const outcome of outcomes) {
    times.push([outcome.suite, outcome.ms, outcome.unavailable === undefined ? '' : 'not run']);
  }
  say(formatTable([...times, ['all', performance.now() - started, ''] as const].map(timeRow)));
  if (skipped.length + unavailable.length > 0) {
    say(`\n${yellow('Not run here')}`);
    for (const line of groupByReason([...unavailable, ...skipped])) say(line);
  }
  const left = [
    ...leftOut(all, suites, values.only).map(({ name, about }) => `suite ${name}: ${about}`),
    ...outcomes.flatMap((outcome) => outcome.left),
  ];
  if (left.length > 0) {
    say(`\n${dim('Left to npm test -- --long')}`);
    for (const what of left) say(dim(`  ${what}`));
  }
  if (failures.length > 0) {
    say(`\n${red('Failed')}`);
    for (const failure of failures) say(`  ${failure.title}`);
    if (strict || setUp.failures.length > 0) {
      const untold = failures.filter((failure) => !outcomes.some((each) => each.failures.includes(failure)));
      for (const failure of untold) say(describe(failure));
    }
  }
  say('');
  say(
    `${passed} passed, ${failures.length} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`,
  );
  return failures.length > 0 ? 1 : 0;
}

function timeRow([name, ms, note]: readonly [string, number, string]): string[] {
  return [`  ${name}`, formatMs(ms), note];
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
