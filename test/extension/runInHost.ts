/**
 * Runs `test/extension/host/*.test.ts` inside the extension host of a real VS Code.
 * Usage: node test/extension/runInHost.ts [--version minimum|newest] [--grep PATTERN]
 * Exit code: 0 passed, 1 failed, 3 cannot run here (with the reason).
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findChromium } from '../support/vscode/chromium.ts';
import { installVSCode } from '../support/vscode/install.ts';
import type { VSCodeInstall } from '../support/vscode/install.ts';
import { makeScratch } from '../support/vscode/scratch.ts';
import { startVSCodeServer } from '../support/vscode/server.ts';
import { openWorkbench } from '../support/vscode/workbench.ts';
import { bundleHostTests } from './bundleHostTests.ts';
import { CANNOT_RUN_HERE, parseVersion } from './version.ts';

const checkout = join(import.meta.dirname, '..', '..');
const RUN_TIMEOUT_MS = 10 * 60_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      version: { type: 'string', default: 'newest' },
      grep: { type: 'string' },
    },
  });
  const version = parseVersion(values.version);
  if (!existsSync(join(checkout, 'dist', 'extension.cjs'))) {
    console.error('dist/extension.cjs is missing: run `npm run build` first.');
    return 1;
  }
  let install: VSCodeInstall;
  try {
    install = await installVSCode({ version, onProgress: (message) => console.log(`  ${message}`) });
    const browser = await findChromium();
    if (!browser.found) throw new Error(browser.reason);
  } catch (error) {
    console.error(`Cannot run here: ${error instanceof Error ? error.message : String(error)}`);
    return CANNOT_RUN_HERE;
  }
  console.log(`Extension host tests in ${install.versionLabel}`);
  const extensionTestsPath = await bundleHostTests();
  const scratch = await makeScratch();
  const report = join(scratch.runDir, 'report.txt');
  const output: string[] = [];
  try {
    const server = await startVSCodeServer({
      install,
      runDir: scratch.runDir,
      env: {
        THIN_CLONES_HOME: scratch.home,
        THIN_CLONES_TEST_REPORT: report,
        ...(values.grep !== undefined && { THIN_CLONES_TEST_GREP: values.grep }),
      },
    });
    try {
      const ended = Promise.withResolvers<number>();
      const workbench = await openWorkbench({
        server,
        folder: scratch.plainFolder,
        extensionDevelopmentPath: checkout,
        extensionTestsPath,
        onTestsExit: (code) => ended.resolve(code),
        onExtensionHostOutput: (type, text) => output.push(`[${type}] ${text}`),
      });
      const timer = setTimeout(() => {
        ended.reject(new Error(`The tests did not end within ${RUN_TIMEOUT_MS / 60_000} minutes.`));
      }, RUN_TIMEOUT_MS);
      try {
        const code = await ended.promise;
        if (code !== 0) console.log(`${output.join('\n')}\n`);
        return code === 0 ? 0 : 1;
      } finally {
        console.log(existsSync(report) ? await readFile(report, 'utf8') : 'The tests wrote no report.');
        clearTimeout(timer);
        await workbench.close();
      }
    } finally {
      await server.stop();
    }
  } finally {
    await scratch.dispose();
  }
}

process.exitCode = await main();
