/** Runs mocha inside the extension host over the bundled tests beside it; VS Code calls `run`. */
import { appendFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { format } from 'node:util';

/** Rejects when a test failed, which VS Code turns into its exit code. */
export async function run(): Promise<void> {
  const { default: Mocha } = await import('mocha');
  const report = process.env['THIN_CLONES_TEST_REPORT'];
  if (report) {
    // The console of an extension host reaches the runner unformatted and between everything else that VS Code logs.
    Mocha.reporters.Base.consoleLog = (...words: unknown[]) => {
      appendFileSync(report, `${format(...words)}\n`);
    };
  }
  const mocha = new Mocha({
    ui: 'bdd',
    timeout: 60_000,
    reporter: 'spec',
    color: false,
    forbidOnly: true,
    failZero: true,
    ...(process.env['THIN_CLONES_TEST_GREP'] && { grep: process.env['THIN_CLONES_TEST_GREP'] }),
  });
  // Required here and not by mocha, whose own loader imports: only `require` is wired to the extension API.
  mocha.suite.emit('pre-require', globalThis, '', mocha);
  const load = createRequire(__filename);
  for (const name of readdirSync(__dirname).filter((file) => file.endsWith('.test.cjs'))) {
    load(join(__dirname, name));
  }
  const failures = await new Promise<number>((resolve) => {
    mocha.run(resolve);
  });
  if (failures > 0) throw new Error(`${failures} test(s) failed in the extension host.`);
}
