/** Keeps compiled code from one run to the next: to compile it takes as long as most commands run. */
import { lstatSync, readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { homePaths, processEnvironment } from '../protocol/node/home.ts';

/** What is in there runs as us: nobody else may have put it there. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found === undefined || !found.isDirectory()) return false;
  return process.getuid === undefined || (found.uid === process.getuid() && (found.mode & 0o022) === 0);
}

/** The build that a module of ours belongs to. */
function buildOf(moduleUrl: string): string {
  try {
    const text = readFileSync(join(dirname(fileURLToPath(moduleUrl)), 'build.json'), 'utf8');
    return (JSON.parse(text) as { build: string }).build;
  } catch {
    // best effort: running from its sources there is none
    return 'development';
  }
}

/** For every module that is loaded from now on. Before an engine has made its folder, and in a Node before 22.8, nothing is kept. */
export function keepCompiledCode(moduleUrl: string): void {
  // The command line runs in a Node that does not have it too.
  const { enableCompileCache: enable } = nodeModule as Partial<typeof nodeModule>;
  const { engineDirectory, code } = homePaths(processEnvironment());
  if (enable !== undefined && isOurs(engineDirectory)) enable(join(code, buildOf(moduleUrl)));
}

/** Removes what other builds kept. */
export async function dropOldCode(code: string, build: string): Promise<void> {
  try {
    for (const name of await readdir(code))
      if (name !== build) await rm(join(code, name), { recursive: true, force: true });
  } catch {
    // best effort: it takes room, and nothing else
  }
}
