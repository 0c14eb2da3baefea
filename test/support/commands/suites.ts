/** Names the suites of the test command, in the order they run, and what each needs first. */
import { join } from 'node:path';

export type Need = 'packages' | 'build' | 'programs' | 'mongodb' | 'vscode' | 'zfs';

export interface Step {
  readonly title: string;
  /** Arguments of Node. */
  readonly args: readonly string[];
  /** `check`: the exit code is the one result; `mocha`: its tests are counted. */
  readonly kind: 'check' | 'mocha';
  /** Needs a display: a virtual one is made where there is none. */
  readonly display?: true;
}

export interface Suite {
  readonly name: string;
  readonly about: string;
  readonly needs: readonly Need[];
  readonly steps: readonly Step[];
  readonly timeoutMinutes: number;
  /** Runs beside the set-up and the other suites: it measures no time and leaves nothing. */
  readonly aside?: true;
  /** Takes too long for every run: with --long, or when it is named. */
  readonly onDemand?: true;
}

/** A suite ends with this code, and a sentence that says why, when this machine can't run it. */
export const CANNOT_RUN_HERE = 3;

/** What a run where nothing may be left out still accepts: the desktop build has a download server of its own. */
export function isExcused(suite: string, reason: string): boolean {
  return suite === 'desktop' && /cannot be downloaded/i.test(reason);
}

const bin = (checkout: string, ...parts: readonly string[]): string =>
  join(checkout, 'node_modules', ...parts);

export function suitesOf(checkout: string, options: { readonly grep?: string | undefined } = {}): Suite[] {
  const grep = options.grep === undefined ? [] : ['--grep', options.grep];
  const mocha = (folder: string): Step => ({
    title: folder,
    kind: 'mocha',
    args: [
      bin(checkout, 'mocha', 'bin', 'mocha.js'),
      ...['--reporter', join(checkout, 'test', 'support', 'reporter.mjs'), ...grep],
      `test/${folder}/**/*.test.ts`,
    ],
  });
  const extension = (runner: string, ...args: readonly string[]): Step => ({
    title: [runner, ...args].join(' '),
    kind: 'mocha',
    args: [join(checkout, 'test', 'extension', runner), ...args, ...grep],
  });
  const check = (title: string, ...args: readonly string[]): Step => ({ title, kind: 'check', args });
  const tsc = bin(checkout, 'typescript', 'bin', 'tsc');

  return [
    {
      name: 'lint',
      about: 'ESLint without a warning, Prettier',
      needs: [],
      timeoutMinutes: 10,
      aside: true,
      steps: [
        check('eslint', bin(checkout, 'eslint', 'bin', 'eslint.js'), '.', '--max-warnings', '0'),
        check('prettier', bin(checkout, 'prettier', 'bin', 'prettier.cjs'), '--check', '.'),
      ],
    },
    {
      name: 'types',
      about: 'the compiler over engine, extension, tests and webviews',
      needs: [],
      timeoutMinutes: 10,
      aside: true,
      steps: [check('tsc', tsc, '--noEmit'), check('tsc -p webview-ui', tsc, '--noEmit', '-p', 'webview-ui')],
    },
    {
      name: 'unit',
      about: 'single modules',
      needs: ['packages', 'build', 'programs'],
      timeoutMinutes: 15,
      steps: [mocha('unit')],
    },
    {
      name: 'contract',
      about: 'one suite for each port over every adapter',
      needs: ['packages', 'build', 'programs', 'mongodb'],
      timeoutMinutes: 15,
      steps: [mocha('contract')],
    },
    {
      name: 'hosts',
      about: 'real PostgreSQL and a MongoDB server on real btrfs, XFS and ext4',
      needs: ['packages', 'build', 'programs', 'mongodb'],
      timeoutMinutes: 40,
      steps: [mocha('hosts')],
    },
    {
      name: 'zfs',
      about: 'the engine on a machine with real ZFS, which is emulated',
      needs: ['packages', 'build', 'programs', 'zfs'],
      timeoutMinutes: 60,
      aside: true,
      onDemand: true,
      steps: [mocha('zfs')],
    },
    {
      name: 'cli',
      about: 'the command line with a real engine',
      needs: ['packages', 'build', 'programs'],
      timeoutMinutes: 25,
      steps: [mocha('cli')],
    },
    {
      name: 'faults',
      about: 'the engine killed at every step, bad input, full disks',
      needs: ['packages', 'build', 'programs'],
      timeoutMinutes: 40,
      steps: [mocha('faults')],
    },
    {
      name: 'security',
      about: 'who may reach what, and where secrets are',
      needs: ['packages', 'build', 'programs'],
      timeoutMinutes: 15,
      steps: [mocha('security')],
    },
    {
      name: 'extension-host-minimum',
      about: 'in the extension host of the oldest VS Code that we promise',
      needs: ['packages', 'build', 'programs', 'vscode'],
      timeoutMinutes: 12,
      steps: [extension('runInHost.ts', '--version', 'minimum')],
    },
    {
      name: 'extension-host-newest',
      about: 'in the extension host of the newest VS Code',
      needs: ['packages', 'build', 'programs', 'vscode'],
      timeoutMinutes: 12,
      steps: [extension('runInHost.ts', '--version', 'newest')],
    },
    {
      name: 'ui-newest',
      about: 'the workbench of the newest VS Code, driven in a browser',
      needs: ['packages', 'build', 'programs', 'vscode'],
      timeoutMinutes: 20,
      steps: [extension('runUi.ts', '--version', 'newest')],
    },
    {
      name: 'ui-minimum',
      about:
        "tree, dialogs, welcome texts, job page and the branch's database in the workbench of the oldest VS Code",
      needs: ['packages', 'build', 'programs', 'vscode'],
      timeoutMinutes: 12,
      steps: [
        extension(
          'runUi.ts',
          ...['--version', 'minimum'],
          ...['sidebar', 'tree', 'welcome', 'jobPage', 'branches'].map((name) =>
            join('test', 'extension', 'ui', `${name}.test.ts`),
          ),
        ),
      ],
    },
    {
      name: 'package',
      about:
        'the VSIX of this platform, with everything checked that it holds, and what comes of it on a host',
      needs: ['packages', 'programs'],
      timeoutMinutes: 15,
      steps: [mocha('package')],
    },
    {
      name: 'desktop',
      about: 'in the extension host of the desktop VS Code, where it can be downloaded',
      needs: ['packages', 'build'],
      timeoutMinutes: 12,
      steps: [{ ...extension('runDesktop.ts'), display: true }],
    },
  ];
}
