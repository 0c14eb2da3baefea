/** How fast the engine answers after a start with 100 clones in its state, and how much memory it keeps when idle. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { followJobs } from '../support/engineClient.ts';
import { poolObstacle } from '../support/pools.ts';
import { prepareEnvironment, withStore, type BenchContext } from './clones.ts';
import { resultOf, type Result } from './results.ts';

const CLONES = 100;
const START = `engine.start/${CLONES}clones`;
const IDLE = 'engine.idle.rss';
const START_GOAL_MS = 300;
const IDLE_GOAL_BYTES = 80e6;
/** What a start does in the background (looking at its clones) is over by then. */
const SETTLE_MS = 15_000;
const SAMPLES = 5;
const SAMPLE_EVERY_MS = 1_000;

export async function benchEngine(context: BenchContext): Promise<Result[]> {
  if (![START, IDLE].some((name) => context.wants(name))) return [];
  const obstacle = process.platform === 'linux' ? await poolObstacle('btrfs') : 'it needs Linux';
  if (obstacle !== undefined) {
    context.say(`${START} and ${IDLE} are left out: ${obstacle}`);
    return [];
  }
  return await withStore(context, { driver: 'btrfs', pool: 'btrfs' }, async (engine) => {
    context.say(`making ${CLONES} clones`);
    const client = await engine.client();
    const follower = await followJobs(client);
    const { environment } = await prepareEnvironment(context, client, follower, 0.1);
    for (let number = 1; number <= CLONES; number += 1) {
      context.signal.throwIfAborted();
      await follower.time(() => client.call('cloneCreate', { body: { environment } }));
    }
    await follower.close();

    const runs = context.quick ? 5 : 20;
    const starts: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      context.signal.throwIfAborted();
      await engine.stop();
      const started = performance.now();
      await engine.connect();
      starts.push(performance.now() - started);
    }
    const results = context.wants(START)
      ? [resultOf({ name: START, values: starts, goal: START_GOAL_MS })]
      : [];
    if (!context.wants(IDLE)) return results;

    context.say('waiting until the engine is idle');
    await delay(SETTLE_MS, undefined, { signal: context.signal });
    const connection = await engine.running();
    if (connection === undefined) throw new Error('The engine ended while it was idle.');
    const samples: number[] = [];
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      samples.push(await residentBytes(connection.info.pid));
      await delay(SAMPLE_EVERY_MS, undefined, { signal: context.signal });
    }
    return [...results, resultOf({ name: IDLE, unit: 'bytes', values: samples, goal: IDLE_GOAL_BYTES })];
  });
}

export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/status has no VmRSS.`);
  return Number(kibibytes) * 1024;
}
