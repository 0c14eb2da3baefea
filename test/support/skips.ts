/** Skips a suite with a reason that the test command can list, so that nothing is left out in silence. */
import { appendFileSync } from 'node:fs';
import type { Context } from 'mocha';

export interface Skip {
  suite: string;
  reason: string;
}

/** Call from `before` or a test: marks it as skipped and appends a JSON line to the file named by THIN_CLONES_SKIPS. */
export function skipSuite(context: Context, reason: string): never {
  const runnable = context.currentTest ?? context.test;
  const suite = runnable?.parent?.fullTitle() ?? runnable?.fullTitle() ?? 'unknown suite';
  const file = process.env['THIN_CLONES_SKIPS'];
  const skip: Skip = { suite, reason };
  if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify(skip)}\n`);
  return context.skip();
}
