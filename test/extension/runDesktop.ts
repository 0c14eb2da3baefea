/**
 * Runs the extension host tests in the desktop VS Code, where it can be downloaded and shown.
 * Usage: node test/extension/runDesktop.ts [--version minimum|newest] [--grep PATTERN]
 * Exit code: 0 passed, 1 failed, 3 cannot run here (with the reason).
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { downloadAndUnzipVSCode, runTests, TestRunFailedError } from '@vscode/test-electron';
import { makeScratch } from '../support/vscode/scratch.ts';
import { bundleHostTests } from './bundleHostTests.ts';
import { CANNOT_RUN_HERE, parseVersion } from './version.ts';

const checkout = join(import.meta.dirname, '..', '..');

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      version: { type: 'string', default: 'newest' },
      grep: { type: 'string' },
    },
  });
  if (!existsSync(join(checkout, 'dist', 'extension.cjs'))) {
    console.error('dist/extension.cjs is missing: run `npm run build` first.');
    return 1;
  }
  if (process.platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY']) {
    console.error(
      'Cannot run here: no display (DISPLAY is not set). Try: xvfb-run -a node test/extension/runDesktop.ts',
    );
    return CANNOT_RUN_HERE;
  }
  let vscodeExecutablePath: string;
  try {
    vscodeExecutablePath = await downloadAndUnzipVSCode({
      version: parseVersion(values.version) === 'newest' ? 'stable' : await minimumVersion(),
      cachePath: join(checkout, '.cache', 'vscode-desktop'),
    });
  } catch (error) {
    console.error(`Cannot run here: the desktop VS Code cannot be downloaded: ${rootMessage(error)}`);
    return CANNOT_RUN_HERE;
  }
  const extensionTestsPath = await bundleHostTests();
  const scratch = await makeScratch();
  try {
    // Electron refuses to run as root with its sandbox (it says so and exits).
    const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    return await runTests({
      vscodeExecutablePath,
      extensionDevelopmentPath: checkout,
      extensionTestsPath,
      extensionTestsEnv: { THIN_CLONES_HOME: scratch.home, THIN_CLONES_TEST_GREP: values.grep },
      launchArgs: [
        scratch.workspace,
        '--disable-workspace-trust',
        '--skip-welcome',
        '--skip-release-notes',
        `--user-data-dir=${scratch.runDir}`,
        ...asRoot,
      ],
    });
  } catch (error) {
    if (error instanceof TestRunFailedError) return 1;
    throw error;
  } finally {
    await scratch.dispose();
  }
}

/** The floor that package.json promises. */
async function minimumVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')) as {
    engines: { vscode: string };
  };
  return manifest.engines.vscode.replace(/^\^/, '');
}

function rootMessage(error: unknown): string {
  let root = error;
  while (root instanceof Error && root.cause) root = root.cause;
  return root instanceof Error ? root.message : String(root);
}

process.exitCode = await main();
