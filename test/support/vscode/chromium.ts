/** Finds the browser that drives the workbench in tests. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';
import { describeMissing, ensureSystemPackages } from '../systemPackages.ts';

const run = promisify(execFile);

export type ChromiumLookup =
  | { readonly found: true; readonly path: string; readonly version: string }
  | { readonly found: false; readonly reason: string };

const PROGRAM_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The variable CHROMIUM_PATH wins, then what is on PATH, then (as root on Debian) an install by apt-get. */
export async function findChromium(
  options: { readonly signal?: AbortSignal; readonly onProgress?: (message: string) => void } = {},
): Promise<ChromiumLookup> {
  const chosen = process.env['CHROMIUM_PATH'];
  if (chosen) return await probe(chosen, 'CHROMIUM_PATH points to it');
  const present = await onPath();
  if (present) return await probe(present, 'it is on PATH');
  const packages = await ensureSystemPackages(['chromium'], options);
  const installed = await onPath();
  if (installed) return await probe(installed, 'it was just installed');
  return {
    found: false,
    reason: `Chromium is needed to drive the workbench. ${describeMissing(packages.missing)}. Or set CHROMIUM_PATH.`,
  };
}

/** A headless browser that talks to loopback only and never phones home. */
export async function launchChromium(path: string): Promise<Browser> {
  return await chromium.launch({
    executablePath: path,
    headless: true,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // Chromium asks before a page may reach loopback addresses from a webview's origin; nobody is there to answer.
      '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets',
    ],
  });
}

async function probe(path: string, origin: string): Promise<ChromiumLookup> {
  try {
    const { stdout } = await run(path, ['--version', '--no-sandbox'], { timeout: 30_000 });
    return { found: true, path, version: stdout.trim() };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { found: false, reason: `${path} does not run (${origin}): ${message}` };
  }
}

async function onPath(): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of PROGRAM_NAMES) {
      const path = join(folder, name);
      try {
        await access(path, constants.X_OK);
        return path;
      } catch {
        // best effort: not in this folder, the next one may have it.
      }
    }
  }
  return undefined;
}
