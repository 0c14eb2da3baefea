/** Which engine program belongs to this command line, and which Node can run it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail } from '../protocol/errors.ts';
import type { EngineProgram } from '../protocol/node/launch.ts';

export interface ProgramPlace {
  /** The URL of the command line's own module: dist/thin-clones.mjs, or engine/cli/main.ts in development. */
  moduleUrl: string;
  execPath: string;
  /** Whether `execPath` has node:sqlite: `thisNodeCanRunEngine`. */
  canRunEngine: () => boolean;
  variables: Readonly<Record<string, string | undefined>>;
  platform: NodeJS.Platform;
}

/** Our own file, beside our own code: build.json, or package.json in development. */
const readOwn = (path: string): { version: string; build?: string } =>
  JSON.parse(readFileSync(path, 'utf8')) as { version: string; build?: string };

/** node:sqlite came with Node 22.5 behind a flag, without one since 22.13; some builds leave it out. */
const probe = "process.exit(process.getBuiltinModule?.('node:sqlite') ? 0 : 1)";
const canRunEngine = (node: string): boolean =>
  spawnSync(node, ['-e', probe], {
    stdio: 'ignore',
    timeout: 10_000,
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
  }).status === 0;
export const thisNodeCanRunEngine = (): boolean => {
  // Node 20.16 is the first 20 that has getBuiltinModule.
  const get = (process as { getBuiltinModule?: (id: string) => unknown }).getBuiltinModule;
  return get?.('node:sqlite') !== undefined;
};

/** Candidates in order of preference; a folder of PATH that has none is left out. */
function nodeCandidates({ variables, platform }: ProgramPlace, checkout: string): string[] {
  const file = platform === 'win32' ? 'node.exe' : 'node';
  const onPath = (variables.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, file));
  return [
    join(checkout, 'node_modules', '.bin', file),
    join(checkout, 'node_modules', 'node', 'bin', file),
    ...onPath,
  ].filter((path, index, all) => all.indexOf(path) === index && existsSync(path));
}

/** Errors of `execPath`: `node_too_old`. It is looked for when it is read, since most commands find an engine running. */
export function locateEngineProgram(place: ProgramPlace): EngineProgram {
  const here = dirname(fileURLToPath(place.moduleUrl));
  const bundled = existsSync(join(here, 'build.json'));
  const checkout = bundled ? dirname(here) : dirname(dirname(here));
  const { version, build = 'development' } = readOwn(
    bundled ? join(here, 'build.json') : join(checkout, 'package.json'),
  );
  let found: string | undefined;
  return {
    get execPath() {
      found ??= place.canRunEngine() ? place.execPath : nodeCandidates(place, checkout).find(canRunEngine);
      if (found === undefined) throw fail('node_too_old', { version: process.version });
      return found;
    },
    file: bundled ? join(here, 'engine.mjs') : join(checkout, 'engine', 'main.ts'),
    version,
    build,
  };
}
