/** Create, reset and destroy on every storage driver and size, with the floor taken between the runs. */
import { chmod } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Machine } from '../../engine/machine/machine.ts';
import type { ServerPrograms } from '../../engine/database/postgres/programs/locate.ts';
import type { Client } from '../../engine/protocol/client.ts';
import { environmentNameSchema } from '../../engine/protocol/ids.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import { followJobs, type JobFollower } from '../support/engineClient.ts';
import { makePool, poolObstacle, type PoolKind } from '../support/pools.ts';
import { timeRawClone, type RawKind } from '../support/rawClone.ts';
import type { Production } from './production.ts';
import { percentile, resultOf, type Result } from './results.ts';
import { sourceData } from './sourceData.ts';

export interface BenchContext {
  readonly machine: Machine;
  readonly programs: ServerPrograms;
  readonly production: Production;
  /** Whether a result of this name was asked for. */
  readonly wants: (name: string) => boolean;
  readonly quick: boolean;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

interface Store {
  /** As it stands in the names of results. */
  readonly name: string;
  readonly driver: 'btrfs' | 'reflink' | 'copy';
  readonly pool: PoolKind;
  readonly raw: RawKind;
  /** Gigabytes. */
  readonly sizes: readonly number[];
}

const STORES: readonly Store[] = [
  { name: 'btrfs', driver: 'btrfs', pool: 'btrfs', raw: 'snapshot', sizes: [0.1, 0.8, 3] },
  { name: 'xfs-reflink', driver: 'reflink', pool: 'xfs', raw: 'reflink', sizes: [0.1, 0.8, 3] },
  { name: 'copy', driver: 'copy', pool: 'ext4', raw: 'copy', sizes: [0.1, 0.8, 3] },
];
const ACTIONS = ['create', 'reset', 'destroy'] as const;
type Action = (typeof ACTIONS)[number];

/** Sparse: the snapshots, a clone, and the copy beside it that a reset makes. */
const POOL_MEGABYTES = 24_000;
/** More than the floor that a clone may take, in milliseconds. */
const ALLOWANCE_MS = 15;
const CREATE_GOAL_MS = { btrfs: 100, 'xfs-reflink': 200 } as const;
const DESTROY_GOAL_MS = 30;
/** A clone of much data may take this many times what a clone of little takes, where copies cost nothing per byte. */
const SIZE_FACTOR = 1.1;

export async function benchClones(context: BenchContext): Promise<Result[]> {
  const results: Result[] = [];
  for (const store of STORES) {
    const sizes = store.sizes.filter(
      (size) =>
        (!context.quick || size < 1) && ACTIONS.some((action) => context.wants(nameOf(action, store, size))),
    );
    if (sizes.length === 0) continue;
    const obstacle = await poolObstacle(store.pool);
    if (obstacle !== undefined) {
      context.say(`${store.name} is left out: ${obstacle}`);
      continue;
    }
    results.push(...(await benchStore(context, store, sizes)));
  }
  return results;
}

/** An engine of the production build on a file system of its own. */
export async function withStore<T>(
  context: BenchContext,
  store: Pick<Store, 'driver' | 'pool'> & { readonly variables?: Readonly<Record<string, string>> },
  work: (engine: TestEngine) => Promise<T>,
): Promise<T> {
  const pool = await makePool(store.pool, POOL_MEGABYTES);
  try {
    // Root's servers run as another user, who has to pass through.
    await chmod(dirname(pool.path), 0o711);
    const engine = await makeTestEngine({
      program: context.production.engine,
      variables: {
        ...store.variables,
        THIN_CLONES_STORAGE_DRIVER: store.driver,
        THIN_CLONES_STORAGE_PATH: pool.path,
      },
    });
    try {
      return await work(engine);
    } finally {
      await engine.dispose();
    }
  } finally {
    await pool.dispose();
  }
}

/** Declares an environment over a data directory of this size and makes its snapshot; answers the snapshot's data. */
export async function prepareEnvironment(
  context: BenchContext,
  client: Client,
  follower: JobFollower,
  gigabytes: number,
): Promise<{ environment: string; data: string; root: string }> {
  const directory = await sourceData({ ...context, gigabytes });
  const environment = environmentNameSchema.parse(`size-${String(gigabytes).replace('.', '-')}`);
  const definition = {
    members: { main: { engine: 'postgres' as const, retrieval: 'directory' as const, directory } },
    clones: { limit: 1000 },
  };
  await client.call('environmentApply', { params: { name: environment }, body: { definition } });
  await follower.time(() => client.call('environmentRefresh', { params: { environment }, body: {} }));
  const { hosts, environments, snapshots } = await client.call('overview', {});
  const storage = hosts.find(({ name }) => name === 'local')?.storage;
  const latest = environments.find(({ name }) => name === environment)?.latestSnapshot;
  const dataset = snapshots.find(({ id }) => id === latest)?.members[0]?.dataset;
  if (storage === null || storage === undefined || dataset === undefined) {
    throw new Error(`The refresh of ${environment} left no snapshot.`);
  }
  return { environment, data: `${storage.path}/data/${dataset}`, root: storage.path };
}

async function benchStore(context: BenchContext, store: Store, sizes: readonly number[]): Promise<Result[]> {
  return await withStore(context, store, async (engine) => {
    const client = await engine.client();
    const follower = await followJobs(client);
    try {
      const results: Result[] = [];
      let smallest: Record<Action, number> | undefined;
      for (const size of sizes) {
        context.signal.throwIfAborted();
        context.say(`clones on ${store.name}, ${size} GB`);
        const prepared = await prepareEnvironment(context, client, follower, size);
        const times = await timeClones(
          context,
          client,
          follower,
          store,
          prepared,
          runsOf(context, store, size),
        );
        const floor = percentile(times.floor, 0.5);
        for (const action of ACTIONS) {
          const name = nameOf(action, store, size);
          if (!context.wants(name)) continue;
          const goal = goalOf(action, store, size, floor, smallest);
          results.push(
            resultOf({
              name,
              values: times[action],
              ...(action === 'destroy' ? {} : { floor }),
              ...(goal === undefined ? {} : { goal }),
            }),
          );
        }
        smallest ??= {
          create: percentile(times.create, 0.5),
          reset: percentile(times.reset, 0.5),
          destroy: percentile(times.destroy, 0.5),
        };
      }
      return results;
    } finally {
      await follower.close();
    }
  });
}

function runsOf({ quick }: BenchContext, store: Store, size: number): number {
  if (quick) return 5;
  // Each of them writes 9 GB.
  return store.raw === 'copy' && size > 1 ? 5 : 20;
}

async function timeClones(
  context: BenchContext,
  client: Client,
  follower: JobFollower,
  store: Store,
  { environment, data, root }: { environment: string; data: string; root: string },
  runs: number,
): Promise<Record<Action | 'floor', number[]>> {
  const times = {
    create: [] as number[],
    reset: [] as number[],
    destroy: [] as number[],
    floor: [] as number[],
  };
  // The first round is for the caches.
  for (let run = -1; run < runs; run += 1) {
    context.signal.throwIfAborted();
    const floor = await timeRawClone({
      machine: context.machine,
      kind: store.raw,
      from: data,
      into: root,
      postgres: context.programs.postgres,
      major: context.programs.major,
    });
    const created = await follower.time(() =>
      client.call('cloneCreate', { body: { environment, name: `run-${run + 1}` } }),
    );
    const clone = created.job.object.id;
    const reset = await follower.time(() => client.call('cloneReset', { params: { clone }, body: {} }));
    const destroyed = await follower.time(() => client.call('cloneDestroy', { params: { clone } }));
    if (run < 0) continue;
    times.floor.push(floor.totalMs);
    times.create.push(created.ms);
    times.reset.push(reset.ms);
    times.destroy.push(destroyed.ms);
  }
  return times;
}

function goalOf(
  action: Action,
  store: Store,
  size: number,
  floor: number,
  smallest: Record<Action, number> | undefined,
): number | undefined {
  if (action === 'destroy') return store.raw === 'copy' ? undefined : DESTROY_GOAL_MS;
  if (store.name === 'btrfs') {
    if (size === 0.8) return Math.min(CREATE_GOAL_MS.btrfs, floor + ALLOWANCE_MS);
    return size === 3 && smallest !== undefined ? smallest[action] * SIZE_FACTOR : undefined;
  }
  return store.name === 'xfs-reflink' && size === 0.8 ? CREATE_GOAL_MS['xfs-reflink'] : undefined;
}

function nameOf(action: Action, store: Store, size: number): string {
  return `clone.${action}/${store.name}/${size}GB`;
}
