/** What a clone that nobody touches comes to own, by the work of its server and the looks of the engine. */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { followJobs } from '../support/engineClient.ts';
import { poolObstacle } from '../support/pools.ts';
import { prepareEnvironment, withStore, type BenchContext } from './clones.ts';
import { resultOf, type Result } from './results.ts';

const run = promisify(execFile);

const MINUTES = 10;
/** Autovacuum comes each minute, a checkpoint each five: this sees the first alone, and its name says so. */
const QUICK_MINUTES = 2;
const GOAL_BYTES = 100_000;
const CLONES = 3;
const GIGABYTES = 0.1;

export async function benchIdle(context: BenchContext): Promise<Result[]> {
  const minutes = context.quick ? QUICK_MINUTES : MINUTES;
  const name = `clone.idle/btrfs/${minutes}min`;
  if (!context.wants(name)) return [];
  const obstacle = await poolObstacle('btrfs');
  if (obstacle !== undefined) {
    context.say(`${name} is left out: ${obstacle}`);
    return [];
  }
  return await withStore(context, { driver: 'btrfs', pool: 'btrfs' }, async (engine) => {
    const client = await engine.client();
    const follower = await followJobs(client);
    try {
      const { environment, root } = await prepareEnvironment(context, client, follower, GIGABYTES);
      for (let number = 1; number <= CLONES; number += 1)
        await follower.time(() =>
          client.call('cloneCreate', { body: { environment, name: `idle-${number}` } }),
        );
      const { clones } = await client.call('overview', {});
      const paths = clones.flatMap(({ members }) => members.map(({ dataset }) => `${root}/data/${dataset}`));
      const before = await Promise.all(paths.map(ownedBytes));
      context.say(`idle clones, ${minutes} minutes`);
      await delay(minutes * 60_000, undefined, { signal: context.signal });
      const after = await Promise.all(paths.map(ownedBytes));
      const values = after.map((bytes, index) => bytes - (before[index] ?? 0));
      return [resultOf({ name, unit: 'bytes', values, goal: GOAL_BYTES, goalFor: 'p95' })];
    } finally {
      await follower.close();
    }
  });
}

/** What a subvolume shares with no other; what is written yet, and not on its way. */
async function ownedBytes(path: string): Promise<number> {
  await run('sync', ['--file-system', path]);
  const { stdout } = await run('btrfs', ['filesystem', 'du', '--summarize', '--raw', path]);
  return Number(stdout.trim().split('\n').at(-1)?.trim().split(/\s+/)[1]);
}
