/** Gives a mocha suite a real VS Code of its own, on a scratch workspace, with the extension loaded from the checkout. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { installVSCode } from '../../support/vscode/install.ts';
import type { VSCodeInstall } from '../../support/vscode/install.ts';
import { makeScratch } from '../../support/vscode/scratch.ts';
import type { Scratch } from '../../support/vscode/scratch.ts';
import { startVSCodeServer } from '../../support/vscode/server.ts';
import type { VSCodeServer } from '../../support/vscode/server.ts';
import { openWorkbench } from '../../support/vscode/workbench.ts';
import type { Workbench } from '../../support/vscode/workbench.ts';
import { versionFromEnvironment } from '../version.ts';

const checkout = join(import.meta.dirname, '..', '..', '..');
const START_TIMEOUT_MS = 5 * 60_000;
/** Each wait in a test has a limit of its own that says what was waited for: this one only ends what hangs. */
const TEST_TIMEOUT_MS = 5 * 60_000;

export interface UiSession {
  readonly workbench: Workbench;
  readonly server: VSCodeServer;
  readonly scratch: Scratch;
  /** `install.limits` says what cannot work here, e.g. the terminal where nothing could be compiled. */
  readonly install: VSCodeInstall;
}

export interface UseWorkbenchOptions {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Runs before VS Code starts, e.g. to fill `scratch.home` with an environment by the CLI. */
  readonly prepare?: (scratch: Scratch) => Promise<void>;
  /** Extensions that are installed beside it, as folders that this may make. */
  readonly otherExtensions?: (scratch: Scratch) => Promise<readonly string[]>;
  /** Another extension than the one at the checkout's root. */
  readonly extensionDevelopmentPath?: string;
}

/**
 * Call it inside `describe`; the function it answers gives the session within tests. Screenshots go to
 * `out/screenshots/VERSION/`, one of each failed test among them.
 */
export function useWorkbench(options: UseWorkbenchOptions = {}): () => UiSession {
  const version = versionFromEnvironment();
  const extension = options.extensionDevelopmentPath ?? checkout;
  const undo = new AsyncDisposableStack();
  let session: UiSession | undefined;

  before(`start VS Code (${version})`, async function () {
    this.timeout(START_TIMEOUT_MS);
    if (extension === checkout && !existsSync(join(checkout, 'dist', 'extension.cjs'))) {
      throw new Error('dist/extension.cjs is missing: run `npm run build` first.');
    }
    const install = await installVSCode({ version });
    const scratch = await makeScratch();
    undo.defer(async () => await scratch.dispose());
    await options.prepare?.(scratch);
    const server = await startVSCodeServer({
      install,
      runDir: scratch.runDir,
      env: { THIN_CLONES_HOME: scratch.home, ...options.env },
      ...(options.settings && { settings: options.settings }),
    });
    undo.defer(async () => await server.stop());
    const otherExtensions = (await options.otherExtensions?.(scratch)) ?? [];
    const workbench = await openWorkbench({
      server,
      folder: scratch.workspace,
      extensionDevelopmentPath: extension,
      otherExtensions,
      screenshotsDir: join(checkout, 'out', 'screenshots', version),
    });
    undo.defer(async () => await workbench.close());
    session = { workbench, server, scratch, install };
  });

  beforeEach('give each wait its time', function () {
    const test = this.currentTest;
    if (test && test.timeout() > 0) test.timeout(Math.max(test.timeout(), TEST_TIMEOUT_MS));
  });

  afterEach('keep a picture of a failure', async function () {
    const test = this.currentTest;
    if (test?.state !== 'failed' || !session) return;
    const name = `failed/${test.fullTitle().replaceAll(/[^\w]+/g, '-')}`;
    console.log(`    picture: ${await session.workbench.screenshot(name)}`);
  });

  after('stop VS Code', async function () {
    this.timeout(60_000);
    await undo.disposeAsync();
  });

  return () => {
    if (!session) throw new Error('useWorkbench: the session exists only while tests run.');
    return session;
  };
}
