/** From a checkout that has moved HEAD to the first query that the right clone answers through the stable port, with real Git. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Client } from '../../engine/protocol/client.ts';
import type { Checkout, Connection } from '../../engine/protocol/entities.ts';
import { makeRealPlace, type RealPlace } from '../contract/git/realGit.ts';
import { followJobs } from '../support/engineClient.ts';
import { poolObstacle } from '../support/pools.ts';
import { timeRawClone } from '../support/rawClone.ts';
import { prepareEnvironment, withStore, type BenchContext } from './clones.ts';
import { percentile, resultOf, type Result } from './results.ts';

const EXISTING = 'branch.switch/existing';
const NEW = 'branch.switch/new';
const EXISTING_GOAL_MS = 300;
const NEW_GOAL_MS = 600;
const GIGABYTES = 0.8;
const PATIENCE_MS = 30_000;
/** What goes on after a switch (a log that is written, a job that is told) is over by then. */
const REST_MS = 100;

export async function benchBranches(context: BenchContext): Promise<Result[]> {
  if (![EXISTING, NEW].some((name) => context.wants(name))) return [];
  const obstacle = await poolObstacle('btrfs');
  if (obstacle !== undefined) {
    context.say(`${EXISTING} and ${NEW} are left out: ${obstacle}`);
    return [];
  }
  const place = await makeRealPlace();
  try {
    return await withStore(context, { driver: 'btrfs', pool: 'btrfs' }, async (engine) => {
      context.say(`branches, ${GIGABYTES} GB`);
      return await benchSwitches(context, await engine.client(), place);
    });
  } finally {
    await place.dispose();
  }
}

async function benchSwitches(context: BenchContext, client: Client, place: RealPlace): Promise<Result[]> {
  const follower = await followJobs(client);
  try {
    const { environment, data, root } = await prepareEnvironment(context, client, follower, GIGABYTES);
    const folder = await makeRepository(place, environment);
    const checkout = await client.call('checkoutOpen', { body: { folder } });
    const login = await loginOf(client, checkout);
    const git = (...args: string[]): Promise<string> => place.run(folder, ...args);

    for (const branch of ['main', 'other']) {
      await git('checkout', '--quiet', branch);
      await untilReady(client, checkout, branch);
      await mark(login, branch);
    }
    const times = { existing: [] as number[], new: [] as number[] };
    const floors = { existing: [] as number[], new: [] as number[] };
    // The first round is for the caches.
    for (let run = -1; run < (context.quick ? 5 : 25); run += 1) {
      context.signal.throwIfAborted();
      const raw = await timeRawClone({
        ...{ host: context.host, kind: 'snapshot', from: data, into: root },
        ...{ postgres: context.programs.postgres, major: context.programs.major },
      });
      const asked = performance.now();
      await askMark(login);
      const askedMs = performance.now() - asked;

      const branch = `new-${run + 1}`;
      await delay(REST_MS);
      // Its data is as in the snapshot: without the table that holds the mark.
      const newMs = await timeSwitch(place, folder, login, ['checkout', '--quiet', '-b', branch], null);
      const { clone } = await untilReady(client, checkout, branch);
      await mark(login, branch);
      await delay(REST_MS);
      const existing = run % 2 === 0 ? 'main' : 'other';
      const existingMs = await timeSwitch(place, folder, login, ['checkout', '--quiet', existing], existing);
      await untilReady(client, checkout, existing);
      if (clone !== null) await follower.time(() => client.call('cloneDestroy', { params: { clone } }));
      if (run < 0) continue;
      times.new.push(newMs);
      times.existing.push(existingMs);
      floors.new.push(raw.totalMs);
      floors.existing.push(askedMs);
    }
    const result = (name: string, of: keyof typeof times, goal: number): Result[] =>
      context.wants(name)
        ? [resultOf({ name, values: times[of], floor: percentile(floors[of], 0.5), goal, goalFor: 'p95' })]
        : [];
    return [...result(EXISTING, 'existing', EXISTING_GOAL_MS), ...result(NEW, 'new', NEW_GOAL_MS)];
  } finally {
    await follower.close();
  }
}

async function makeRepository(place: RealPlace, environment: string): Promise<string> {
  const folder = join(place.folder, 'shop');
  await place.run(place.folder, 'init', '--quiet', '--initial-branch', 'main', folder);
  const config = ['version: 1', 'workspace:', `  environment: ${environment}`, '  follow: automatic', ''];
  await writeFile(join(folder, 'thin-clones.yaml'), config.join('\n'));
  await place.run(folder, 'add', '.');
  await place.run(folder, 'commit', '--quiet', '--message', 'begin');
  await place.run(folder, 'branch', 'other');
  return folder;
}

async function loginOf(client: Client, { id }: Checkout): Promise<Connection> {
  const { items } = await client.call('checkoutConnection', { params: { checkout: id } });
  const [login] = items;
  if (login === undefined) throw new Error('The checkout has no port.');
  return login;
}

async function untilReady(client: Client, { id }: Checkout, key: string): Promise<Checkout> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await client.call('checkoutShow', { params: { checkout: id } });
    if (found.state === 'ready' && found.key === key) return found;
    if (performance.now() > deadline || found.state === 'failed')
      throw new Error(`${key} has no database: ${found.reason ?? found.state}`);
    await delay(10);
  }
}

/**
 * From the write of HEAD, by the time that stands on the file, to the answer. From HEAD's move on, a new connection is opened for each
 * query without a pause; a clone that is not the right one goes on to the next.
 */
async function timeSwitch(
  place: RealPlace,
  folder: string,
  login: Connection,
  args: readonly string[],
  wanted: string | null,
): Promise<number> {
  const directory = join(folder, '.git');
  const moved = new AbortController();
  const watcher = watch(directory, (_event, name) => {
    if (name === 'HEAD') moved.abort();
  });
  try {
    const git = spawn('git', [...args], { cwd: folder, env: place.environment, stdio: 'ignore' });
    const ended = once(git, 'exit');
    await delay(PATIENCE_MS, undefined, { signal: moved.signal }).then(
      () => {
        throw new Error(`git ${args.join(' ')} did not move HEAD`);
      },
      (error: unknown) => {
        if (!moved.signal.aborted) throw error;
      },
    );
    const deadline = performance.now() + PATIENCE_MS;
    while ((await askMark(login).catch(() => undefined)) !== wanted) {
      // best effort: a connection that ends with the switch is tried again
      if (performance.now() > deadline) throw new Error(`${wanted ?? 'the new clone'} does not answer`);
    }
    const answeredAt = Date.now();
    const { mtimeMs } = await stat(join(directory, 'HEAD'));
    await ended;
    return answeredAt - mtimeMs;
  } finally {
    watcher.close();
  }
}

async function withSession<Value>(
  login: Connection,
  work: (session: pg.Client) => Promise<Value>,
): Promise<Value> {
  const { host, port, user, password, database } = login;
  const session = new pg.Client({ host, port, user, password, database });
  session.on('error', () => undefined);
  await session.connect();
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}

const mark = async (login: Connection, branch: string): Promise<void> => {
  await withSession(login, async (session) => {
    await session.query('CREATE TABLE branch_mark (branch text NOT NULL)');
    await session.query('INSERT INTO branch_mark VALUES ($1)', [branch]);
  });
};

/** Null where no branch left its mark; rejects where a connection ends. */
const askMark = (login: Connection): Promise<string | null> =>
  withSession(login, async (session) => {
    try {
      const { rows } = await session.query<{ branch: string }>('SELECT branch FROM branch_mark');
      return rows[0]?.branch ?? null;
    } catch (error) {
      const UNDEFINED_TABLE = '42P01';
      if (error instanceof pg.DatabaseError && error.code === UNDEFINED_TABLE) return null;
      throw error;
    }
  });
