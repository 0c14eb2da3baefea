/** What a script, a test or an agent waits for: whole commands, from the start of the process to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { followJobs } from '../support/engineClient.ts';
import { poolObstacle } from '../support/pools.ts';
import { prepareEnvironment, withStore, type BenchContext } from './clones.ts';
import { percentile, resultOf, type Result } from './results.ts';

const START = 'cli.start';
const URL_OF = 'cli.clone.url';
const CREATE = 'cli.clone.create';
/** How many times as long as Node itself, which does nothing. */
const FACTOR = 2;

export async function benchCommandLine(context: BenchContext): Promise<Result[]> {
  if (![START, URL_OF, CREATE].some((name) => context.wants(name))) return [];
  const obstacle = await poolObstacle('btrfs');
  if (obstacle !== undefined) {
    context.say(`${START}, ${URL_OF} and ${CREATE} are left out: ${obstacle}`);
    return [];
  }
  return await withStore(context, { driver: 'btrfs', pool: 'btrfs' }, async (engine) => {
    context.say('commands in a terminal');
    const client = await engine.client();
    const follower = await followJobs(client);
    const { environment } = await prepareEnvironment(context, client, follower, context.quick ? 0.1 : 0.8);
    const program = join(context.production.folder, 'dist', 'thin-clones.mjs');
    const time = async (...argv: readonly string[]): Promise<number> => {
      context.signal.throwIfAborted();
      const started = performance.now();
      const child = spawn(process.execPath, argv, {
        env: { ...process.env, ...engine.variables },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
      const [code] = (await once(child, 'close')) as [number | null];
      const ms = performance.now() - started;
      if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${String(code)}: ${said}`);
      return ms;
    };
    const times = { node: [] as number[], start: [] as number[], url: [] as number[] };
    const create: number[] = [];
    const job: number[] = [];
    const runs = context.quick ? 5 : 20;
    // The first round is for the caches.
    for (let run = -1; run < runs; run += 1) {
      const name = `command-${run + 1}`;
      const node = await time('-e', '0');
      const start = await time(program, '--version');
      const made = await time(program, 'clone', 'create', environment, '--name', name);
      const { items } = await client.call('jobList', { query: { limit: 1 } });
      const url = await time(program, 'clone', 'url', name);
      await follower.time(() => client.call('cloneDestroy', { params: { clone: name } }));
      const [last] = items;
      if (last?.endedAt == null) throw new Error(`The job that made ${name} is not the newest one.`);
      if (run < 0) continue;
      times.node.push(node);
      times.start.push(start);
      times.url.push(url);
      create.push(made);
      job.push(Date.parse(last.endedAt) - Date.parse(last.createdAt));
    }
    await follower.close();
    const floor = percentile(times.node, 0.5);
    const floorOfCreate = percentile(job, 0.5);
    return [
      resultOf({ name: START, values: times.start, floor, goal: FACTOR * floor }),
      resultOf({ name: URL_OF, values: times.url, floor, goal: FACTOR * floor }),
      // Its floor is the job alone.
      resultOf({
        name: CREATE,
        values: create,
        floor: floorOfCreate,
        goal: floorOfCreate + FACTOR * floor,
      }),
    ].filter(({ name }) => context.wants(name));
  });
}
