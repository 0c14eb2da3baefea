/** The demo's last part: switch the branch, ruin its database, switch back, and find main's as it was; each switch timed. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import type pg from 'pg';
import type { Client } from '../../engine/protocol/client.ts';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { checkoutLogin, timeSwitch, untilReady } from '../support/branchSwitch.ts';
import { withLogin } from '../support/session.ts';
import { followJobs, type JobFollower } from '../support/engineClient.ts';
import { BAD_MIGRATION } from './data.ts';
import { fingerprintOf, median, type Tell } from './story.ts';
import { ENVIRONMENT, FEATURE_BRANCH } from './workspace.ts';

const run = promisify(execFile);

const ROUNDS = 5;
const MAIN = 'main';

export interface BranchesOptions {
  readonly client: Client;
  /** The demo's workspace: a copy of its repository is used, so that it and its clones stay as they are. */
  readonly workspace: string;
  /** Where that copy may be, for as long as this takes. */
  readonly folder: string;
  readonly tell: Tell;
  readonly signal: AbortSignal;
}

export interface BranchTimes {
  /** From `git switch` having moved HEAD to the first answer of the branch's database: one that is there already. */
  readonly switchMs: number;
  /** The same for a branch whose clone has to be made. */
  readonly newBranchMs: number;
}

export async function tellBranches(options: BranchesOptions): Promise<BranchTimes> {
  const { client, workspace, folder, signal } = options;
  await removeLeftOver(client, folder);
  // The folder may belong to another user than the one who runs this (root in somebody's checkout).
  const clone = ['-c', 'safe.directory=*', 'clone', '--quiet', '--branch', MAIN, '--', workspace, folder];
  await run('git', clone, { signal });
  const follower = await followJobs(client);
  try {
    const body = { folder, environment: referenceSchema.parse(ENVIRONMENT), follow: 'automatic' as const };
    const checkout = await client.call('checkoutOpen', { body });
    return await switchBranches(options, checkout, follower);
  } finally {
    await follower.close();
    await removeLeftOver(client, folder);
  }
}

async function switchBranches(
  { client, folder, tell, signal }: BranchesOptions,
  checkout: Checkout,
  follower: JobFollower,
): Promise<BranchTimes> {
  const { clone: first } = await untilReady(client, checkout, MAIN);
  const login = await checkoutLogin(client, checkout);
  const mains = await withLogin(login, serverOf);
  const before = await withLogin(login, fingerprintOf);
  tell('follow', `this checkout's database is at port ${login.port}, whatever its branch`);
  const time = (branch: string, isRight: (server: string) => boolean): Promise<number> =>
    timeSwitch({
      ...{ folder, args: ['switch', '--quiet', branch], env: process.env, login },
      isRight: async (session) => isRight(await serverOf(session)),
    });

  const existing: number[] = [];
  const made: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    signal.throwIfAborted();
    const say: Tell = round === 0 ? tell : () => undefined;
    made.push(await time(FEATURE_BRANCH, (server) => server !== mains));
    say('switch', `git switch ${FEATURE_BRANCH}: a database of its own answers there`, made[0]);
    const { clone } = await untilReady(client, checkout, FEATURE_BRANCH);
    if (clone === null || clone === first) throw new Error(`${FEATURE_BRANCH} has no clone of its own.`);
    if (round === 0) {
      await withLogin(login, (session) => session.query(BAD_MIGRATION));
      say('break', "the branch's migration ruins it");
    }
    existing.push(await time(MAIN, (server) => server === mains));
    say('switch', `git switch ${MAIN}: main's database answers`, existing[0]);
    await untilReady(client, checkout, MAIN);
    if (round === 0) {
      const now = await withLogin(login, fingerprintOf);
      if (JSON.stringify(now) !== JSON.stringify(before)) throw new Error("main's database has changed.");
      say('check', 'as it was; port, user and password have not changed');
    }
    await follower.time(() => client.call('cloneDestroy', { params: { clone } }));
  }
  return { switchMs: median(existing), newBranchMs: median(made) };
}

const serverOf = async (session: pg.Client): Promise<string> => {
  const { rows } = await session.query<{ name: string }>(`SELECT current_setting('cluster_name') AS name`);
  return rows[0]?.name ?? '';
};

/** Also of a demo that was killed: the checkout, the clones of its branches, the folder. */
async function removeLeftOver(client: Client, folder: string): Promise<void> {
  const { items } = await client.call('checkoutList', {});
  const checkout = items.find(({ path }) => path === folder);
  if (checkout !== undefined) {
    await client.call('checkoutForget', { params: { checkout: checkout.id } });
    const follower = await followJobs(client);
    const clones = (await client.call('cloneList', {})).items;
    for (const { id, repository } of clones) {
      if (repository === checkout.repository)
        await follower.time(() => client.call('cloneDestroy', { params: { clone: id } }));
    }
    await follower.close();
  }
  await rm(folder, { recursive: true, force: true });
}
