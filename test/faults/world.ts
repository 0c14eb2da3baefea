/** A real engine with one small environment on storage of its own, and what must hold there whatever happened. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../engine/protocol/client.ts';
import type { Clone, Connection, Job } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import type { Event } from '../../engine/protocol/events.ts';
import { connectEngine, type EngineConnection } from '../../engine/protocol/node/launch.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import { makePool, poolObstacle, type TestPool } from '../support/pools.ts';
import { withLogin } from '../support/session.ts';

export interface WorldOptions {
  /** Size of the btrfs pool, in MB. */
  megabytes?: number;
  variables?: Readonly<Record<string, string>>;
}

export interface World {
  engine: TestEngine;
  /** The folder of the store. */
  store: string;
  thin: boolean;
  /** Starts an engine when none runs; the variables are for a start alone. */
  connect(variables?: Readonly<Record<string, string>>): Promise<EngineConnection>;
  /** The same, when it has brought up what should run. */
  client(): Promise<Client>;
  /** The job of an answer at its end, however it ended. */
  ended(job: { id: Job['id'] }): Promise<Job>;
  /** Makes a request and insists that its job succeeds. */
  done(request: (client: Client) => Promise<{ job: Job }>): Promise<Job>;
  clone(name: string): Promise<Clone>;
  connection(name: string): Promise<Connection>;
  /** One value from a clone, logged in as people do. */
  read(name: string): Promise<string>;
  write(name: string, value: string): Promise<void>;
  /** What `read` finds at a known port with a known password, without asking the engine. */
  readAt(connection: Connection): Promise<string>;
  /** A dump file whose restore sleeps for minutes. */
  slowDump(): Promise<string>;
  /** Resolves when no process has the pid. */
  gone(pid: number): Promise<void>;
  /** Everything that the store, the processes and the folders hold belongs to what the engine lists, and the other way round. */
  checkNothingLeft(): Promise<void>;
  /** Shapes that must survive: everything listed, with ports and passwords. */
  portrait(): Promise<unknown>;
  dispose(): Promise<void>;
}

/** Ends the waiting for what never comes: a slow machine with much else to do takes long for what takes a moment here. */
export const patienceMs = 60_000;

export const environment = 'shop';
export const origin = 'origin';

/** btrfs where a loop file can be mounted, else full copies beside the home. */
export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const obstacle = await poolObstacle('btrfs');
  const pool: TestPool | undefined =
    obstacle === undefined ? await makePool('btrfs', options.megabytes ?? 1024) : undefined;
  let world: World | undefined;
  try {
    if (pool !== undefined) await chmod(join(pool.path, '..'), 0o755);
    const engine = await makeTestEngine({
      variables: {
        THIN_CLONES_STORAGE_DRIVER: pool === undefined ? 'copy' : 'btrfs',
        ...(pool === undefined ? {} : { THIN_CLONES_STORAGE_PATH: join(pool.path, 'store') }),
        ...options.variables,
      },
    });
    world = makeWorld(engine, pool);
    return world;
  } catch (error) {
    if (world === undefined) await pool?.dispose();
    throw error;
  }
}

function makeWorld(engine: TestEngine, pool: TestPool | undefined): World {
  const store = pool === undefined ? engine.paths.pool : join(pool.path, 'store');
  const connections = new Set<EngineConnection>();
  const connect = async (variables: Readonly<Record<string, string>> = {}): Promise<EngineConnection> => {
    const program = { ...engine.program, env: { ...engine.program.env, ...variables } };
    const connection = await connectEngine({ paths: engine.paths, user: 'tester', program });
    connections.add(connection);
    return connection;
  };
  const closeConnections = (): void => {
    for (const connection of connections) connection.close();
    connections.clear();
  };
  const client = async (): Promise<Client> => {
    const connection = await connect();
    // A start brings clones up while it answers already: most tests ask what is there in the end.
    for (;;) {
      const { clones, jobs } = await connection.client.call('overview', {});
      const busy = new Set(jobs.flatMap(({ endedAt, object }) => (endedAt === null ? object.id : [])));
      const isStarting = ({ id, state, members }: Clone): boolean =>
        state === 'stopped' && !busy.has(id) && members.some((member) => member.state === 'starting');
      if (!clones.some(isStarting)) return connection.client;
      await sleep(5);
    }
  };
  const ended: World['ended'] = async ({ id }) => {
    const asking = await client();
    for (;;) {
      const job = await asking.call('jobShow', { params: { job: id } });
      if (job.endedAt !== null) return job;
      await sleep(5);
    }
  };
  const connection = async (name: string): Promise<Connection> => {
    const { items } = await (await client()).call('cloneConnection', { params: { clone: name } });
    const [first] = items;
    assert.ok(first);
    return first;
  };
  const readAt = (to: Connection): Promise<string> =>
    withLogin(to, async (session) => {
      const { rows } = await session.query<{ v: string }>('SELECT v FROM mark');
      assert.equal(rows.length, 1);
      return rows[0]?.v ?? '';
    });

  return {
    engine,
    store,
    thin: pool !== undefined,
    connect,
    client,
    ended,
    connection,
    readAt,
    async done(request) {
      const { job } = await request(await client());
      const last = await ended(job);
      assert.equal(last.state, 'succeeded', `${last.title}: ${last.error?.message ?? 'no error'}`);
      return last;
    },
    clone: async (name) => (await client()).call('cloneShow', { params: { clone: name } }),
    read: async (name) => readAt(await connection(name)),
    async write(name, value) {
      await withLogin(await connection(name), (session) => session.query('UPDATE mark SET v = $1', [value]));
    },
    async slowDump() {
      const dump = join(engine.home, 'sources', 'slow.sql');
      await writeFile(dump, 'CREATE TABLE mark (v text); SELECT pg_sleep(300);');
      await chmod(dump, 0o644);
      return dump;
    },
    async gone(pid) {
      const deadline = performance.now() + patienceMs;
      for (;;) {
        try {
          process.kill(pid, 0);
        } catch {
          // best effort: no process of this pid, which is what is waited for
          return;
        }
        if (performance.now() > deadline) throw new Error(`process ${pid} was to end and did not`);
        await sleep(1);
      }
    },
    async checkNothingLeft() {
      const overview = await (await client()).call('overview', {});
      const datasets = [
        ...overview.snapshots.flatMap(({ members }) => members.map(({ dataset }) => dataset)),
        ...overview.clones.flatMap(({ members }) => members.map(({ dataset }) => dataset)),
      ].sort();
      const servers = overview.clones.flatMap(({ members }) => members.map(({ dataset }) => dataset)).sort();
      const list = async (path: string): Promise<string[]> => (await readdir(path)).sort();
      const tags = datasets.map((id) => `${id}.json`);
      assert.deepEqual(await settled(() => list(join(store, 'data')), datasets), datasets, 'data folders');
      assert.deepEqual(await settled(() => list(join(store, 'tags')), tags), tags, 'tags');
      assert.deepEqual(await settled(() => list(join(store, 'trash')), []), [], 'trash');
      assert.deepEqual(await list(engine.paths.scratch), [], 'scratch');
      const sockets = async () =>
        (await list(engine.paths.socketRoot)).filter((name) => /^[a-z2-7]{16}$/.test(name));
      const folders = servers.map((id) => id.replace('data-', ''));
      assert.deepEqual(await settled(sockets, folders), folders, 'socket folders');
      const logs = servers.map((id) => `${id}.log`);
      const logFiles = async () => (await list(engine.paths.serverLogs)).filter((n) => n.startsWith('data-'));
      assert.deepEqual(await settled(logFiles, logs), logs, 'server logs');
      const running = engine
        .processes()
        .flatMap(({ commandLine }) => /cluster_name=(data-[a-z2-7]{16})/.exec(commandLine)?.[1] ?? [])
        .sort();
      const ready = overview.clones
        .filter(({ state }) => state === 'ready')
        .flatMap(({ members }) => members.map(({ dataset }) => dataset))
        .sort();
      assert.deepEqual(running, ready, 'servers');
      const ports = overview.clones.flatMap(({ members }) => members.map(({ port }) => port));
      assert.equal(new Set(ports).size, ports.length, 'two clones on one port');
      for (const { state, clones, name } of overview.snapshots) {
        assert.equal(state, 'ready', `snapshot ${name}`);
        for (const id of clones) assert.ok(overview.clones.some((clone) => clone.id === id));
      }
      for (const { state, name, problem } of overview.clones)
        assert.ok(['ready', 'stopped'].includes(state), `clone ${name} is ${state}: ${problem ?? ''}`);
      for (const { title, endedAt } of overview.jobs)
        assert.notEqual(endedAt, null, `${title} has not ended`);
      for (const id of datasets) {
        const tag = JSON.parse(await readFile(join(store, 'tags', `${id}.json`), 'utf8')) as {
          state: string;
        };
        assert.equal(tag.state, 'ready', `the tag of ${id}`);
      }
    },
    async portrait() {
      const overview = await (await client()).call('overview', {});
      const connectionsOf = await Promise.all(overview.clones.map(({ name }) => connection(name)));
      return {
        environments: overview.environments.map(({ name, definition, latestSnapshot }) => ({
          name,
          definition,
          latestSnapshot,
        })),
        snapshots: overview.snapshots.map(({ id, name, members, state, clones }) => ({
          id,
          name,
          members,
          state,
          clones,
        })),
        clones: overview.clones.map(({ id, name, members, state, protectedUntil, problem, snapshot }) => ({
          id,
          name,
          members,
          state,
          protectedUntil,
          problem,
          snapshot,
        })),
        connections: connectionsOf,
      };
    },
    async dispose() {
      closeConnections();
      await engine.dispose();
      await pool?.dispose();
      assert.deepEqual(engine.processes(), []);
    },
  };
}

/** What happens just after a job's end (old copies of resets, empty trash, socket folders) is given a moment. */
async function settled<Value>(look: () => Promise<Value>, wanted: Value): Promise<Value> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (JSON.stringify(found) === JSON.stringify(wanted) || performance.now() > deadline) return found;
    await sleep(10);
  }
}

/** Declares the environment over a dump file and makes its snapshot `first`. */
export async function fillWorld(world: World, sql = ''): Promise<void> {
  const folder = join(world.engine.home, 'sources');
  await mkdir(folder, { mode: 0o755 });
  await chmod(folder, 0o755);
  const dump = join(folder, 'shop.sql');
  await writeFile(dump, `CREATE TABLE mark (v text NOT NULL); INSERT INTO mark VALUES ('${origin}'); ${sql}`);
  await chmod(dump, 0o644);
  const client = await world.client();
  await client.call('environmentApply', {
    params: { name: environment },
    body: {
      definition: { members: { db: { engine: 'postgres', retrieval: 'dump', dump, database: 'shop' } } },
    },
  });
  await world.done((asking) =>
    asking.call('environmentRefresh', { params: { environment }, body: { name: 'first' } }),
  );
}

/** The code of the failure that a request ends with. */
export async function codeOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
  } catch (error) {
    if (isFailure(error)) return error.code;
    throw error;
  }
  return 'nothing was refused';
}

/** What the next event tells. */
export async function firstOf(events: AsyncIterable<Event>): Promise<Event['kind'] | undefined> {
  for await (const { kind } of events) return kind;
  return undefined;
}
