/**
 * Runs `test/extension/ui/*.test.ts`, which drive the workbench of a real VS Code in a browser.
 * Usage: node test/extension/runUi.ts [--version minimum|newest] [--grep PATTERN] [FILE...]
 * Exit code: 0 passed, 1 failed, 3 cannot run here (with the reason).
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findChromium } from '../support/vscode/chromium.ts';
import { installVSCode } from '../support/vscode/install.ts';
import { CANNOT_RUN_HERE, parseVersion } from './version.ts';

const checkout = join(import.meta.dirname, '..', '..');

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      version: { type: 'string', default: 'newest' },
      grep: { type: 'string' },
    },
  });
  const version = parseVersion(values.version);
  try {
    const install = await installVSCode({ version, onProgress: (message) => console.log(`  ${message}`) });
    const browser = await findChromium({ onProgress: (message) => console.log(`  ${message}`) });
    if (!browser.found) throw new Error(browser.reason);
    console.log(`UI tests in ${install.versionLabel}, ${browser.version}`);
    for (const limit of install.limits) console.log(`  ${limit}`);
  } catch (error) {
    console.error(`Cannot run here: ${error instanceof Error ? error.message : String(error)}`);
    return CANNOT_RUN_HERE;
  }
  const files = positionals.length > 0 ? positionals : [join(import.meta.dirname, 'ui', '*.test.ts')];
  const mocha = spawn(
    process.execPath,
    [
      join(checkout, 'node_modules', 'mocha', 'bin', 'mocha.js'),
      ...['--reporter', join(checkout, 'test', 'support', 'reporter.mjs')],
      ...(values.grep === undefined ? [] : ['--grep', values.grep]),
      ...files,
    ],
    { cwd: checkout, stdio: 'inherit', env: { ...process.env, THIN_CLONES_TEST_VSCODE: version } },
  );
  const code = await new Promise<number | null>((resolve, reject) => {
    mocha.once('error', reject);
    mocha.once('exit', resolve);
  });
  return code === 0 ? 0 : 1;
}

process.exitCode = await main();
