/**
 * Mocha's spec reporter that also writes what happened as one JSON line to the file named by THIN_CLONES_RESULTS, so
 * that the test command can count over many processes, and ends with how long each file took, its hooks included.
 */
import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import mocha from 'mocha';

const { Spec } = mocha.reporters;

export default class Reporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    const file = process.env.THIN_CLONES_RESULTS;
    if (!file) return;
    const pending = [];
    const times = new Map();
    let began = 0;
    runner.on('suite', (suite) => {
      if (suite.parent?.root) began = performance.now();
    });
    runner.on('suite end', (suite) => {
      if (!suite.parent?.root) return;
      const name = relative(process.cwd(), suite.file ?? '');
      times.set(name, (times.get(name) ?? 0) + performance.now() - began);
    });
    runner.on('pending', (test) => pending.push(test.fullTitle()));
    runner.once('end', () => {
      const failures = this.failures.map((test) => ({
        title: test.fullTitle(),
        error: String(test.err?.stack ?? test.err?.message ?? test.err),
      }));
      const passes = this.stats.passes;
      appendFileSync(file, `${JSON.stringify({ passes, failures, pending })}\n`);
    });
    // After the summary of the base class, which is written at the end as well.
    process.once('exit', () => {
      console.log('Seconds by file, hooks included:');
      for (const [name, ms] of [...times].toSorted(([, one], [, other]) => other - one))
        console.log(`${(ms / 1000).toFixed(1).padStart(8)}  ${name}`);
    });
  }
}
