/** What TLS costs a query on an open connection, at a stable port and at a clone's own one. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection } from '../../engine/protocol/entities.ts';
import { makeRealPlace, type RealPlace } from '../contract/git/realGit.ts';
import { checkoutLogin, untilReady } from '../support/branchSwitch.ts';
import { followJobs } from '../support/engineClient.ts';
import { poolObstacle } from '../support/pools.ts';
import { makeRepository } from './branches.ts';
import { prepareEnvironment, withStore, type BenchContext } from './clones.ts';
import { percentile, resultOf, type Result } from './results.ts';

const STABLE = 'endpoint.tls/select1';
const OWN = 'clone.tls/select1';
/** More than without TLS. */
const GOAL_US = 50;
const GIGABYTES = 0.1;
/** In turns, so that whatever else the machine does meets all ways alike. */
const QUERIES_OF_A_TURN = 50;
/** What the engine does because of the switch is over by then. */
const REST_MS = 500;

export async function benchTls(context: BenchContext): Promise<Result[]> {
  if (![STABLE, OWN].some((name) => context.wants(name))) return [];
  const obstacle = await poolObstacle('btrfs');
  if (obstacle !== undefined) {
    context.say(`${STABLE} and ${OWN} are left out: ${obstacle}`);
    return [];
  }
  const place = await makeRealPlace();
  try {
    return await withStore(context, { driver: 'btrfs', pool: 'btrfs' }, async (engine) => {
      context.say('TLS');
      return await benchPorts(context, await engine.client(), place);
    });
  } finally {
    await place.dispose();
  }
}

async function benchPorts(context: BenchContext, client: Client, place: RealPlace): Promise<Result[]> {
  const follower = await followJobs(client);
  const sessions: pg.Client[] = [];
  try {
    const { environment } = await prepareEnvironment(context, client, follower, GIGABYTES);
    const checkout = await client.call('checkoutOpen', {
      body: { folder: await makeRepository(place, environment) },
    });
    const { clone } = await untilReady(client, checkout, 'main');
    if (clone === null) throw new Error('The checkout has no clone.');
    const stable = await checkoutLogin(client, checkout);
    const [own] = (await client.call('cloneConnection', { params: { clone } })).items;
    if (own === undefined) throw new Error('The clone has no port.');
    await delay(REST_MS);
    const open = async (
      login: Connection,
      ssl: boolean,
    ): Promise<{ session: pg.Client; times: number[] }> => {
      const session = await connect(login, ssl);
      sessions.push(session);
      return { session, times: [] };
    };
    const ways = {
      stable: { plain: await open(stable, false), tls: await open(stable, true) },
      own: { plain: await open(own, false), tls: await open(own, true) },
    };
    // The first turn is for the compilers and caches.
    for (let turn = -1; turn < (context.quick ? 20 : 200); turn += 1) {
      context.signal.throwIfAborted();
      for (const { session, times } of Object.values(ways).flatMap(({ plain, tls }) => [plain, tls])) {
        const took = await timeQueries(session);
        if (turn >= 0) times.push(...took);
      }
    }
    return Object.entries({ [STABLE]: ways.stable, [OWN]: ways.own }).flatMap(([name, { plain, tls }]) => {
      const floor = percentile(plain.times, 0.5);
      return context.wants(name)
        ? [resultOf({ name, unit: 'us', values: tls.times, floor, goal: floor + GOAL_US })]
        : [];
    });
  } finally {
    await Promise.all(sessions.map((session) => session.end()));
    await follower.close();
  }
}

async function connect(
  { host, port, user, password, database }: Connection,
  ssl: boolean,
): Promise<pg.Client> {
  // Which authority is trusted makes no difference to an open connection.
  const security = ssl ? { rejectUnauthorized: false } : false;
  const session = new pg.Client({ host, port, user, password, database, ssl: security });
  session.on('error', () => undefined);
  await session.connect();
  return session;
}

/** Microseconds. */
export async function timeQueries(session: pg.Client): Promise<number[]> {
  const times: number[] = [];
  for (let query = 0; query < QUERIES_OF_A_TURN; query += 1) {
    const asked = performance.now();
    await session.query('SELECT 1');
    times.push((performance.now() - asked) * 1000);
  }
  return times;
}
