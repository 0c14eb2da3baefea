/** What the test runners of the extension agree on: which VS Code, and the exit code for "not on this machine". */
import type { VSCodeVersion } from '../support/vscode/install.ts';

/** The caller lists such a run as skipped, with the reason that was printed. */
export const CANNOT_RUN_HERE = 3;

export function parseVersion(text: string): VSCodeVersion {
  if (text === 'minimum' || text === 'newest') return text;
  throw new Error(`--version is "minimum" or "newest", not "${text}".`);
}

/** Set by runUi.ts; alone, a UI test file runs in the newest. */
export function versionFromEnvironment(): VSCodeVersion {
  return parseVersion(process.env['THIN_CLONES_TEST_VSCODE'] ?? 'newest');
}
