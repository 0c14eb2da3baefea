import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MongoClient } from 'mongodb';
import { openMongoBench, SOURCE_PASSWORD, startMongoSource, takePort } from '../../support/mongoBench.ts';
import { buildFerretDb } from '../../support/mongo/buildServers.ts';
import { databaseContract } from './database.contract.ts';

describe('a server of MongoDB that is built for the tests', () => {
  before(async function () {
    // Minutes, where nothing was built before.
    this.timeout(1_200_000);
    await buildFerretDb();
  });

  databaseContract('MongoDB by FerretDB', async () => {
    const bench = await openMongoBench();
    const source = await startMongoSource(bench);
    let number = 0;
    let login = { user: 'clone', password: 'a password' };
    const { database } = bench;
    const ready: typeof database.ready = async (spec, isAlive, given, signal) => {
      await database.ready(spec, isAlive, given, signal);
      if (given !== undefined) login = given;
    };
    const inClone = async <Value>(
      port: number | null,
      work: (client: MongoClient) => Promise<Value>,
    ): Promise<Value> => {
      const { user, password } = login;
      const client = new MongoClient(`mongodb://127.0.0.1:${port ?? 0}/?directConnection=true`, {
        auth: { username: user, password },
        authMechanism: 'SCRAM-SHA-256',
      });
      try {
        return await work(client);
      } finally {
        await client.close();
      }
    };
    const texts = (client: MongoClient, name: string) =>
      client.db(name).collection<{ text: string }>('texts');
    return {
      database: { ...database, ready },
      runtime: bench.runtime,
      async sourceWith(text) {
        const name = `source_${++number}`;
        await source.inSession((client) => texts(client, name).insertOne({ text }));
        return await bench.request({ retrieval: 'logical', url: source.url(name) }, SOURCE_PASSWORD);
      },
      withWrongPassword: (request) => ({ ...request, password: 'wrong' }),
      copy: (from) => bench.copy(from),
      newDataset: () => bench.newDataset(),
      freePort: () => bench.freePort(),
      logFile: () => bench.newLog(),
      takePort,
      read: (spec, retrieved) =>
        inClone(spec.port, async (client) => (await texts(client, retrieved.database).findOne())?.text ?? ''),
      async write(spec, retrieved, text) {
        await inClone(spec.port, (client) =>
          texts(client, retrieved.database).updateOne({}, { $set: { text } }),
        );
      },
      damage: (directory) => writeFile(path.join(directory, 'admin.sqlite'), 'no database'),
      checkNothingLeft: () => bench.checkNothingLeft(),
      async close() {
        await source.remove();
        await bench.close();
        assert.ok(true);
      },
    };
  });
});
