/** Stops what the demo started, and removes what it made. */
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connectEngine, stopEngine } from '../../engine/protocol/node/launch.ts';
import { homePaths } from '../../engine/protocol/node/home.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { endAllUnder, processesUnder } from '../support/processesUnder.ts';
import type { DemoPlaces } from './places.ts';

const run = promisify(execFile);

/** The engine in order, then what still runs below the demo's folder (source, clones); mounts go as well. */
export async function stopDemo(places: DemoPlaces): Promise<void> {
  const paths = pathsOf(places);
  try {
    const options = { paths, user: 'demo', program: undefined };
    const connection = await connectEngine(options);
    await stopEngine(connection, options);
  } catch (error) {
    if (!isFailure(error, 'engine_unreachable')) throw error;
  }
  await stopServers(places.root);
  await endAllUnder([places.root]);
  for (const path of await mountsBelow(places.root)) await run('umount', [path]);
  await rm(paths.socketRoot, { recursive: true, force: true });
}

/** Everything: clones, snapshots, the source, the workspace. */
export async function removeDemo(places: DemoPlaces): Promise<void> {
  await stopDemo(places);
  await unsealSnapshots(places);
  await rm(places.root, { recursive: true, force: true, maxRetries: 3 });
}

function pathsOf(places: DemoPlaces): ReturnType<typeof homePaths> {
  return homePaths({
    platform: process.platform,
    uid: process.getuid?.(),
    variables: { THIN_CLONES_HOME: places.home },
  });
}

/** A fast shutdown, so that the data is clean; endAllUnder takes what is left. */
async function stopServers(root: string): Promise<void> {
  const postmasters = processesUnder([root]).filter(({ commandLine }) => /\bpostgres -D /.test(commandLine));
  for (const { pid } of postmasters) {
    try {
      process.kill(pid, 'SIGINT');
    } catch {
      // best effort: it has ended by itself
    }
  }
  const deadline = performance.now() + 10_000;
  const isRunning = (pid: number): boolean => processesUnder([root]).some((each) => each.pid === pid);
  while (postmasters.some(({ pid }) => isRunning(pid)) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function mountsBelow(folder: string): Promise<string[]> {
  if (process.platform !== 'linux') return [];
  return (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '))
    .filter((path) => path.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length);
}

/** On a btrfs of the machine's own, a read-only snapshot can't be removed as a folder. */
async function unsealSnapshots(places: DemoPlaces): Promise<void> {
  const { stdout } = await run('find', [
    ...[join(places.home), '-maxdepth', '3', '-inum', '256', '-type', 'd'],
  ]).catch(() => ({ stdout: '' })); // best effort: there is no home
  for (const path of stdout.split('\n').filter((line) => line !== '')) {
    await run('btrfs', ['property', 'set', '-ts', path, 'ro', 'false']).catch(() => undefined); // best effort: not sealed
  }
}
