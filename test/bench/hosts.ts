/**
 * What a second host costs beside this machine: clones there, a branch that follows, queries and copies through the tunnel, the
 * first connection and the next one, memory. The host is this machine once more, by ssh,
 * with a line that can be made slow.
 */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type pg from 'pg';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection } from '../../engine/protocol/entities.ts';
import type { Overview } from '../../engine/protocol/events.ts';
import { environmentNameSchema, hostNameSchema } from '../../engine/protocol/ids.ts';
import { makeRealPlace, type RealPlace } from '../contract/git/realGit.ts';
import { startLineProxy, type LineProxy } from '../hosts/machines/lineProxy.ts';
import { noSecondHost, startSecondHost } from '../hosts/machines/secondHost.ts';
import { checkoutLogin, timeSwitch, untilReady } from '../support/branchSwitch.ts';
import { followJobs, type JobFollower } from '../support/engineClient.ts';
import type { TestEngine } from '../support/engine.ts';
import { makePool, poolObstacle } from '../support/pools.ts';
import { endAllUnder } from '../support/processesUnder.ts';
import { withLogin } from '../support/session.ts';
import { leaveMark, makeRepository, markOf } from './branches.ts';
import { timeQueries } from './tls.ts';
import { prepareEnvironment, withStore, type BenchContext } from './clones.ts';
import { residentBytes } from './engine.ts';
import { percentile, resultOf, type Measured, type Result } from './results.ts';
import { sourceData } from './sourceData.ts';
import { step } from './step.ts';

const theHost = { name: hostNameSchema.parse('box'), address: 'ssh://root@big' };
const GIGABYTES = 0.8;
const SLOW_MS = 30;
const CLONES = 100;
const names = {
  create: 'host.create/0.8GB',
  reset: 'host.reset/0.8GB',
  createSlow: `host.create/0.8GB/${SLOW_MS}ms`,
  resetSlow: `host.reset/0.8GB/${SLOW_MS}ms`,
  switchSlow: `host.branch.switch/existing/${SLOW_MS}ms`,
  select: 'host.tunnel/select1',
  copy: 'host.tunnel/copy100MB',
  connect: 'host.connect/prepared',
  connectSlow: `host.connect/prepared/${SLOW_MS}ms`,
  reconnect: `host.reconnect/${CLONES}clones`,
  memory: 'host.link.rss',
} as const;
/** More than on this machine, in milliseconds. */
const ALLOWANCE_MS = 15;
const SLOW_ALLOWANCE_MS = 75;
const SELECT_ALLOWANCE_US = 1000;
const COPY_GOAL_MS = 1000;
const CONNECT_GOAL_MS = 500;
/** What a first connection may wait for the host, besides. */
const CONNECT_ROUND_TRIPS = 4;
const RECONNECT_GOAL_MS = 1000;
const MEMORY_GOAL_BYTES = 15e6;
const COPY_ROWS = 100_000;
/** What goes on after a switch, a connection or a start is over by then. */
const REST_MS = 500;
const SETTLE_MS = 10_000;
/** A link that stood so long is tried again at once when it breaks. */
const STEADY_MS = 10_500;

export async function benchHosts(context: BenchContext): Promise<Result[]> {
  if (!Object.values(names).some((name) => context.wants(name))) return [];
  const obstacle = (await noSecondHost()) ?? (await poolObstacle('btrfs'));
  if (obstacle !== undefined) {
    context.say(`host.* is left out: ${obstacle}`);
    return [];
  }
  const pool = await makePool('btrfs', 24_000);
  const folder = await mkdtemp(join(tmpdir(), 'tc-bench-host-'));
  const place = await makeRealPlace();
  try {
    for (const path of [folder, dirname(pool.path)]) await chmod(path, 0o755);
    const home = join(folder, 'home');
    await mkdir(home, { mode: 0o755 });
    const settings = { storage: { driver: 'btrfs', path: pool.path }, serverUser: 'ann' };
    await writeFile(join(home, 'settings.json'), JSON.stringify(settings));
    const machine = await startSecondHost({
      accounts: [{ name: 'ann', shell: '/bin/sh' }],
      sshd: [`SetEnv THIN_CLONES_HOME=${home}`, 'Match User root', 'PermitRootLogin yes'],
    });
    const line = await startLineProxy(machine.port);
    try {
      const ways = {
        byLine: (await machine.clientConfig({ port: line.port })).file,
        straight: (await machine.clientConfig()).file,
      };
      const ssh = join(folder, 'ssh_config');
      await copyFile(ways.byLine, ssh);
      const variables = { THIN_CLONES_SSH_CONFIG: ssh };
      return await withStore(
        context,
        { driver: 'btrfs', pool: 'btrfs', variables },
        async (engine) => await measure({ context, engine, line, place, ssh, ways }),
      );
    } finally {
      await line.close();
      await endAllUnder([home, pool.path]);
      await machine.close();
    }
  } finally {
    await place.dispose();
    await pool.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Run {
  context: BenchContext;
  engine: TestEngine;
  line: LineProxy;
  place: RealPlace;
  /** The configuration that the engine's ssh reads, and what is copied there: the line costs each byte something. */
  ssh: string;
  ways: { byLine: string; straight: string };
}

interface Joined extends Run {
  client: Client;
  follower: JobFollower;
  /** Environments of the same data. */
  local: string;
  far: string;
}

async function measure(run: Run): Promise<Result[]> {
  const { context, engine } = run;
  const { wants } = context;
  const wanted = (...of: readonly string[]): boolean => of.some(wants);
  await step(context, 'bringing the engine to the host', 300, () => bring(engine));
  const results: Measured[] = [];
  if (wanted(names.memory)) results.push(await step(context, 'memory', 120, () => weighLink(run)));
  const client = await engine.client();
  const follower = await followJobs(client);
  try {
    await step(context, 'joining the host', 60, () => rejoin(client));
    const { environment: local } = await step(context, 'a snapshot here', 300, () =>
      prepareEnvironment(context, client, follower, GIGABYTES),
    );
    const far = await step(context, 'a snapshot there', 300, () => prepareThere(context, client, follower));
    const joined: Joined = { ...run, client, follower, local, far };
    if (wanted(names.connect, names.connectSlow))
      results.push(...(await step(context, 'connections', 240, () => timeConnections(joined))));
    if (wanted(names.create, names.reset, names.createSlow, names.resetSlow))
      results.push(...(await step(context, 'clones', 300, () => timeClones(joined))));
    if (wanted(names.select, names.copy))
      results.push(...(await step(context, 'the tunnel', 180, () => timeTunnel(joined))));
    if (wanted(names.switchSlow))
      results.push(await step(context, 'branches', 240, () => timeSwitches(joined)));
    if (wanted(names.reconnect))
      results.push(await step(context, 'reconnects', 300, () => timeReconnects(joined)));
    return results.filter(({ name }) => wants(name)).map(resultOf);
  } finally {
    await follower.close();
  }
}

/** By an engine that ends then: what packing the archive left in its memory is none of a link's. */
async function bring(engine: TestEngine): Promise<void> {
  const client = await engine.client();
  await client.call('hostAdd', { body: theHost });
  await client.call('hostRemove', { params: { host: theHost.name } });
  await engine.stop();
}

/** As if it had never been joined; by the way that the configuration of ssh says now. */
async function rejoin(client: Client): Promise<void> {
  const { hosts } = await client.call('overview', {});
  if (hosts.some(({ name }) => name === theHost.name))
    await client.call('hostRemove', { params: { host: theHost.name } });
  await client.call('hostAdd', { body: theHost });
}

/** The environment there, of the same data as here. */
async function prepareThere(context: BenchContext, client: Client, follower: JobFollower): Promise<string> {
  const directory = await sourceData({ ...context, gigabytes: GIGABYTES });
  const name = environmentNameSchema.parse('far');
  const definition = {
    host: theHost.name,
    members: { main: { engine: 'postgres' as const, retrieval: 'directory' as const, directory } },
    clones: { limit: 1000 },
  };
  await client.call('environmentApply', { params: { name }, body: { definition } });
  const environment = `${theHost.name}/${name}`;
  await follower.time(() => client.call('environmentRefresh', { params: { environment }, body: {} }));
  return environment;
}

/** Of the engine of this machine, when nothing is at work any more. */
async function memoryOf({ context, engine }: Run): Promise<number> {
  await delay(SETTLE_MS, undefined, { signal: context.signal });
  const connection = await engine.running();
  if (connection === undefined) throw new Error('The engine ended while it was idle.');
  return await residentBytes(connection.info.pid);
}

async function weighLink(run: Run): Promise<Measured> {
  const client = await run.engine.client();
  const alone = await memoryOf(run);
  await rejoin(client);
  const bytes = Math.max(0, (await memoryOf(run)) - alone);
  return { name: names.memory, unit: 'bytes', values: [bytes], goal: MEMORY_GOAL_BYTES };
}

/** Beside what ssh needs to run nothing there. */
async function timeConnections({ context, client, line, ssh }: Joined): Promise<Measured[]> {
  const ways = [
    { name: names.connect, delayMs: 0, values: [] as number[], floors: [] as number[] },
    { name: names.connectSlow, delayMs: SLOW_MS, values: [] as number[], floors: [] as number[] },
  ];
  for (let run = 0; run < (context.quick ? 3 : 10); run += 1) {
    for (const { delayMs, values, floors } of ways) {
      context.signal.throwIfAborted();
      line.delay(delayMs);
      await client.call('hostRemove', { params: { host: theHost.name } });
      await delay(REST_MS);
      const started = performance.now();
      await promisify(execFile)('ssh', ['-F', ssh, 'root@big', 'true']);
      floors.push(performance.now() - started);
      await delay(REST_MS);
      const asked = performance.now();
      await client.call('hostAdd', { body: theHost });
      values.push(performance.now() - asked);
    }
  }
  line.delay(0);
  return ways.map(({ name, delayMs, values, floors }) => ({
    ...{ name, values, floor: percentile(floors, 0.5) },
    goal: CONNECT_GOAL_MS + CONNECT_ROUND_TRIPS * delayMs,
  }));
}

async function timeClones({ context, client, follower, line, local, far }: Joined): Promise<Measured[]> {
  const times = () => ({ create: [] as number[], reset: [] as number[] });
  const ways = [
    { environment: local, delayMs: 0, ...times() },
    { environment: far, delayMs: 0, ...times() },
    { environment: far, delayMs: SLOW_MS, ...times() },
  ] as const;
  // The first round is for the caches.
  for (let run = -1; run < (context.quick ? 5 : 20); run += 1) {
    for (const { environment, delayMs, create, reset } of ways) {
      context.signal.throwIfAborted();
      line.delay(delayMs);
      const created = await follower.time(() =>
        client.call('cloneCreate', { body: { environment, name: 'run' } }),
      );
      const clone = created.job.object.id;
      const again = await follower.time(() => client.call('cloneReset', { params: { clone }, body: {} }));
      await follower.time(() => client.call('cloneDestroy', { params: { clone } }));
      if (run < 0) continue;
      create.push(created.ms);
      reset.push(again.ms);
    }
  }
  line.delay(0);
  const [here, near, slow] = ways;
  const result = (
    name: string,
    what: 'create' | 'reset',
    way: typeof near | typeof slow,
    more: number,
  ): Measured => {
    const floor = percentile(here[what], 0.5);
    return { name, values: way[what], floor, goal: floor + more };
  };
  return [
    result(names.create, 'create', near, ALLOWANCE_MS),
    result(names.reset, 'reset', near, ALLOWANCE_MS),
    result(names.createSlow, 'create', slow, SLOW_ALLOWANCE_MS),
    result(names.resetSlow, 'reset', slow, SLOW_ALLOWANCE_MS),
  ];
}

/** A clone there, by its own port and through the link, in turns. */
async function timeTunnel({ context, client, follower, far, ssh, ways }: Joined): Promise<Measured[]> {
  await copyFile(ways.straight, ssh);
  await rejoin(client);
  const { job } = await follower.time(() =>
    client.call('cloneCreate', { body: { environment: far, name: 'tunnel' } }),
  );
  const clone = job.object.id;
  const [through] = (await client.call('cloneConnection', { params: { clone } })).items;
  const { members } = await client.call('cloneShow', { params: { clone } });
  if (through === undefined || members[0] === undefined) throw new Error('The clone has no port.');
  const direct: Connection = { ...through, port: members[0].port };
  const select = { direct: [] as number[], through: [] as number[] };
  const copies = { direct: [] as number[], through: [] as number[] };
  await withLogin(direct, async (one) => {
    await withLogin(through, async (other) => {
      // The first turn is for the compilers and caches.
      for (let turn = -1; turn < (context.quick ? 20 : 100); turn += 1) {
        context.signal.throwIfAborted();
        for (const [way, session] of [
          ['direct', one],
          ['through', other],
        ] as const) {
          const took = await timeQueries(session);
          if (turn >= 0) select[way].push(...took);
        }
      }
      for (let turn = -1; turn < 5; turn += 1)
        for (const [way, session] of [
          ['direct', one],
          ['through', other],
        ] as const) {
          const ms = await timeCopy(session);
          if (turn >= 0) copies[way].push(ms);
        }
    });
  });
  await follower.time(() => client.call('cloneDestroy', { params: { clone } }));
  await copyFile(ways.byLine, ssh);
  await rejoin(client);
  const floor = percentile(select.direct, 0.5);
  return [
    { name: names.select, unit: 'us', values: select.through, floor, goal: floor + SELECT_ALLOWANCE_US },
    { name: names.copy, values: copies.through, floor: percentile(copies.direct, 0.5), goal: COPY_GOAL_MS },
  ];
}

/** Milliseconds for 100 MB. */
async function timeCopy(session: pg.Client): Promise<number> {
  const started = performance.now();
  const bytes = await new Promise<number>((resolve, reject) => {
    let received = 0;
    // As node-postgres calls what it was given to run.
    const nothing = (): void => undefined;
    session.query({
      submit: (connection: pg.Connection) =>
        connection.query(
          `COPY (SELECT repeat('x', 999) FROM generate_series(1, ${String(COPY_ROWS)})) TO STDOUT`,
        ),
      handleRowDescription: nothing,
      handleDataRow: nothing,
      handleEmptyQuery: nothing,
      handleCopyInResponse: nothing,
      handleCommandComplete: nothing,
      handlePortalSuspended: nothing,
      handleReadyForQuery: () => resolve(received),
      handleError: reject,
      handleCopyData: ({ chunk }: { chunk: Buffer }) => void (received += chunk.length),
    } as pg.Submittable);
  });
  if (bytes !== COPY_ROWS * 1000) throw new Error(`COPY gave ${String(bytes)} bytes.`);
  return performance.now() - started;
}

/** From a line that was cut to everything fresh, with many clones there. */
async function timeReconnects({ context, client, follower, line, far }: Joined): Promise<Measured> {
  const clones = context.quick ? 20 : CLONES;
  for (let number = 1; number <= clones; number += 1) {
    context.signal.throwIfAborted();
    await follower.time(() => client.call('cloneCreate', { body: { environment: far } }));
  }
  const isFresh = ({ hosts, clones: held }: Overview): boolean =>
    hosts.some(({ name, state }) => name === theHost.name && state === 'ready') &&
    held.filter(({ environment }) => environment === far).length >= clones;
  const values: number[] = [];
  for (let run = 0; run < (context.quick ? 3 : 6); run += 1) {
    context.signal.throwIfAborted();
    await delay(STEADY_MS);
    const listening = new AbortController();
    const events = client.events(await client.call('overview', {}), listening.signal);
    line.cut();
    const cutAt = performance.now();
    // As clients do: when everything may be different, they read it anew.
    for await (const { kind } of events)
      if (kind === 'resync' && isFresh(await client.call('overview', {}))) break;
    values.push(performance.now() - cutAt);
    listening.abort();
  }
  return { name: names.reconnect, values, goal: RECONNECT_GOAL_MS };
}

/** Between branches whose clones are there, here and over a slow line. */
async function timeSwitches(joined: Joined): Promise<Measured> {
  const { context, line, local, far } = joined;
  const here = await openRepository(joined, 'here', local);
  const there = await openRepository(joined, 'there', far);
  const times = { here: [] as number[], there: [] as number[] };
  // The first round is for the caches.
  for (let run = -1; run < (context.quick ? 5 : 25); run += 1) {
    context.signal.throwIfAborted();
    const branch = run % 2 === 0 ? 'main' : 'other';
    line.delay(0);
    const hereMs = await here(branch);
    line.delay(SLOW_MS);
    const thereMs = await there(branch);
    if (run < 0) continue;
    times.here.push(hereMs);
    times.there.push(thereMs);
  }
  line.delay(0);
  const floor = percentile(times.here, 0.95);
  return {
    ...{ name: names.switchSlow, values: times.there, floor },
    ...{ goal: floor + SLOW_ALLOWANCE_MS, goalFor: 'p95' },
  };
}

/** With a clone for `main` and for `other`; what is given switches to one of them, and says how long that took. */
async function openRepository(
  { client, place }: Joined,
  name: string,
  environment: string,
): Promise<(branch: string) => Promise<number>> {
  const folder = await makeRepository(place, environment, name);
  const checkout = await client.call('checkoutOpen', { body: { folder } });
  const login = await checkoutLogin(client, checkout);
  for (const branch of ['other', 'main']) {
    await place.run(folder, 'checkout', '--quiet', branch);
    await untilReady(client, checkout, branch);
    await leaveMark(login, branch);
  }
  return async (branch) => {
    await delay(REST_MS);
    const ms = await timeSwitch({
      ...{ folder, args: ['checkout', '--quiet', branch], env: place.environment, login },
      isRight: async (session) => (await markOf(session)) === branch,
    });
    await untilReady(client, checkout, branch);
    return ms;
  };
}
