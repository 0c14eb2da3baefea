/** An environment of PostgreSQL and MongoDB: refreshed, cloned, broken, reset, committed and destroyed as one. */
import assert from 'node:assert/strict';
import { MongoClient } from 'mongodb';
import type { Connection } from '../../../engine/protocol/entities.ts';
import { buildFerretDb } from '../../support/mongo/buildServers.ts';
import {
  openMongoBench,
  SOURCE_PASSWORD,
  startMongoSource,
  type MongoBench,
  type MongoSource,
} from '../../support/mongoBench.ts';
import {
  SOURCE_PASSWORD as POSTGRES_PASSWORD,
  startPostgresSource,
  type PostgresSource,
} from '../../support/postgresSource.ts';
import { withLogin } from '../../support/session.ts';
import { openWorld, type World } from '../../faults/world.ts';

describe('an environment of PostgreSQL and MongoDB', function () {
  // Minutes, where the server was not built before.
  this.timeout(1_200_000);
  let bench: MongoBench;
  let mongo: MongoSource;
  let postgres: PostgresSource;
  let world: World;

  before(async () => {
    bench = await openMongoBench();
    mongo = await startMongoSource(bench);
    await mongo.inSession(async (client) => {
      const visits = client.db('web').collection<{ user: string }>('visits');
      await visits.insertMany([{ user: 'ada' }, { user: 'grace' }]);
      await visits.createIndexes([{ key: { user: 1 }, unique: true }]);
    });
    postgres = await startPostgresSource();
    await postgres.run(
      'postgres',
      'CREATE TABLE texts (text text)',
      "INSERT INTO texts VALUES ('as it was')",
    );
    world = await openWorld({ variables: { THIN_CLONES_FERRETDB: await buildFerretDb() } });
    const client = await world.client();
    await client.call('environmentApply', {
      params: { name: 'shop' },
      body: {
        definition: {
          members: {
            orders: { engine: 'postgres', retrieval: 'logical', url: postgres.url() },
            sessions: { engine: 'mongodb', retrieval: 'logical', url: mongo.url('web') },
          },
        },
        passwords: { orders: POSTGRES_PASSWORD, sessions: SOURCE_PASSWORD },
        remember: true,
      },
    });
    await world.done((asking) => asking.call('environmentRefresh', { params: { environment: 'shop' } }));
  });
  after(async () => {
    await world.dispose();
    await postgres.remove();
    await mongo.remove();
    await bench.close();
  });

  const connections = async (name: string): Promise<Readonly<Record<string, Connection>>> => {
    const { items } = await (await world.client()).call('cloneConnection', { params: { clone: name } });
    return Object.fromEntries(items.map((each) => [each.name, each]));
  };
  const inMongo = async <Value>(
    name: string,
    work: (client: MongoClient) => Promise<Value>,
  ): Promise<Value> => {
    const { sessions } = await connections(name);
    assert.ok(sessions);
    const client = new MongoClient(
      `mongodb://127.0.0.1:${sessions.port}/?authSource=admin&directConnection=true`,
      {
        auth: { username: sessions.user, password: sessions.password },
      },
    );
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  };
  const users = (name: string) =>
    inMongo(name, async (client) => {
      const found = await client
        .db('web')
        .collection<{ user: string }>('visits')
        .find()
        .sort({ user: 1 })
        .toArray();
      return found.map(({ user }) => user);
    });
  const text = async (name: string): Promise<string> => {
    const { orders } = await connections(name);
    assert.ok(orders);
    return await withLogin(orders, async (session) => {
      const { rows } = await session.query<{ text: string }>('SELECT text FROM texts');
      return rows[0]?.text ?? '';
    });
  };
  const spoil = async (name: string): Promise<void> => {
    const { orders } = await connections(name);
    assert.ok(orders);
    await withLogin(orders, (session) => session.query('DROP TABLE texts'));
    await inMongo(name, (client) => client.db('web').dropDatabase());
  };

  it('brings both into one snapshot, with what was compared', async () => {
    const { snapshots } = await (await world.client()).call('overview', {});
    const [snapshot] = snapshots;
    assert.deepEqual(
      snapshot?.members.map(({ name, engine, database, version }) => ({ name, engine, database, version })),
      [
        { name: 'orders', engine: 'postgres', database: 'postgres', version: String(postgres.major) },
        { name: 'sessions', engine: 'mongodb', database: 'web', version: 'ferretdb 1.24' },
      ],
    );
    assert.deepEqual(snapshot.members[1]?.comparison, {
      objects: 3,
      total: 0,
      differences: [],
      problem: null,
    });
  });

  it('makes, breaks and resets both as one, at the same ports and passwords', async () => {
    await world.done((client) => client.call('cloneCreate', { body: { environment: 'shop', name: 'a' } }));
    const before = await connections('a');
    assert.deepEqual(await users('a'), ['ada', 'grace']);
    assert.equal(await text('a'), 'as it was');
    await spoil('a');
    assert.deepEqual(await users('a'), []);
    await world.done((client) => client.call('cloneReset', { params: { clone: 'a' } }));
    assert.deepEqual(await users('a'), ['ada', 'grace']);
    assert.equal(await text('a'), 'as it was');
    assert.deepEqual(await connections('a'), before);
  });

  it('refuses who has not the password, and the user of the source', async () => {
    const { sessions } = await connections('a');
    assert.ok(sessions);
    for (const auth of [
      { username: sessions.user, password: 'wrong' },
      { username: 'owner', password: SOURCE_PASSWORD },
    ]) {
      const client = new MongoClient(`mongodb://127.0.0.1:${sessions.port}/?directConnection=true`, { auth });
      await assert.rejects(client.db('web').collection('visits').findOne(), /Authentication failed/);
      await client.close();
    }
    const open = new MongoClient(`mongodb://127.0.0.1:${sessions.port}/?directConnection=true`);
    await assert.rejects(open.db('web').collection('visits').findOne(), /requires authentication/);
    await open.close();
  });

  it('commits both, and starts another clone from that', async () => {
    await inMongo('a', (client) => client.db('web').collection('visits').insertOne({ user: 'linus' }));
    await world.done((client) =>
      client.call('cloneCommit', { params: { clone: 'a' }, body: { message: 'with linus' } }),
    );
    await world.done((client) => client.call('cloneCopy', { params: { clone: 'a' }, body: { name: 'b' } }));
    assert.deepEqual(await users('b'), ['ada', 'grace', 'linus']);
    await spoil('b');
    assert.deepEqual(await users('a'), ['ada', 'grace', 'linus']);
  });

  it('finds servers again after the engine was killed', async () => {
    const before = await connections('a');
    await world.engine.kill();
    assert.deepEqual(await users('a'), ['ada', 'grace', 'linus']);
    assert.deepEqual(await connections('a'), before);
  });

  it('destroys both, and leaves nothing', async () => {
    for (const name of ['a', 'b'])
      await world.done((client) => client.call('cloneDestroy', { params: { clone: name } }));
    await world.checkNothingLeft();
  });
});
