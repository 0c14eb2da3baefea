/**
 * Mocha's spec reporter that also writes what happened as one JSON line to the file named by THIN_CLONES_RESULTS, so
 * that the test command can count over many processes.
 */
import { appendFileSync } from 'node:fs';
import mocha from 'mocha';

const { Spec } = mocha.reporters;

export default class Reporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    const file = process.env.THIN_CLONES_RESULTS;
    if (!file) return;
    const pending = [];
    runner.on('pending', (test) => pending.push(test.fullTitle()));
    runner.once('end', () => {
      const failures = this.failures.map((test) => ({
        title: test.fullTitle(),
        error: String(test.err?.stack ?? test.err?.message ?? test.err),
      }));
      const passes = this.stats.passes;
      appendFileSync(file, `${JSON.stringify({ passes, failures, pending })}\n`);
    });
  }
}
