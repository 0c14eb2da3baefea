/** From a checkout that has moved HEAD to the first query that the right clone answers through the stable port, with real Git. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection } from '../../engine/protocol/entities.ts';
import { makeRealPlace, type RealPlace } from '../contract/git/realGit.ts';
import { checkoutLogin, timeSwitch, untilReady } from '../support/branchSwitch.ts';
import { withLogin } from '../support/session.ts';
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
    const login = await checkoutLogin(client, checkout);
    /** `mark`: null for a new clone, whose data is as in the snapshot: without the table that holds the mark. */
    const time = (mark: string | null, ...args: string[]): Promise<number> =>
      timeSwitch({
        ...{ folder, args: ['checkout', '--quiet', ...args], env: place.environment, login },
        isRight: async (session) => (await markOf(session)) === mark,
      });

    for (const branch of ['main', 'other']) {
      await place.run(folder, 'checkout', '--quiet', branch);
      await untilReady(client, checkout, branch);
      await leaveMark(login, branch);
    }
    const times = { existing: [] as number[], new: [] as number[] };
    const floors = { existing: [] as number[], new: [] as number[] };
    // The first round is for the caches.
    for (let run = -1; run < (context.quick ? 5 : 25); run += 1) {
      context.signal.throwIfAborted();
      const raw = await timeRawClone({
        ...{ machine: context.machine, kind: 'snapshot', from: data, into: root },
        ...{ postgres: context.programs.postgres, major: context.programs.major },
      });
      const asked = performance.now();
      await withLogin(login, markOf);
      const askedMs = performance.now() - asked;

      const branch = `new-${run + 1}`;
      await delay(REST_MS);
      const newMs = await time(null, '-b', branch);
      const { clone } = await untilReady(client, checkout, branch);
      await leaveMark(login, branch);
      await delay(REST_MS);
      const existing = run % 2 === 0 ? 'main' : 'other';
      const existingMs = await time(existing, existing);
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

export async function makeRepository(place: RealPlace, environment: string, name = 'shop'): Promise<string> {
  const folder = join(place.folder, name);
  await place.run(place.folder, 'init', '--quiet', '--initial-branch', 'main', folder);
  const config = ['version: 1', 'workspace:', `  environment: ${environment}`, '  follow: automatic', ''];
  await writeFile(join(folder, 'thin-clones.yaml'), config.join('\n'));
  await place.run(folder, 'add', '.');
  await place.run(folder, 'commit', '--quiet', '--message', 'begin');
  await place.run(folder, 'branch', 'other');
  return folder;
}

export const leaveMark = async (login: Connection, branch: string): Promise<void> => {
  await withLogin(login, async (session) => {
    await session.query('CREATE TABLE branch_mark (branch text NOT NULL)');
    await session.query('INSERT INTO branch_mark VALUES ($1)', [branch]);
  });
};

/** Null where no branch left its mark; rejects where the connection ends. */
export async function markOf(session: pg.Client): Promise<string | null> {
  try {
    const { rows } = await session.query<{ branch: string }>('SELECT branch FROM branch_mark');
    return rows[0]?.branch ?? null;
  } catch (error) {
    const UNDEFINED_TABLE = '42P01';
    if (error instanceof pg.DatabaseError && error.code === UNDEFINED_TABLE) return null;
    throw error;
  }
}
