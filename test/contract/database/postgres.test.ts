import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import pg from 'pg';
import { processesUnder } from '../../support/processesUnder.ts';
import { openPostgresBench } from '../../support/postgresBench.ts';
import { SOURCE_PASSWORD, startPostgresSource } from '../../support/postgresSource.ts';
import { databaseContract } from './database.contract.ts';
import assert from 'node:assert/strict';

databaseContract('PostgreSQL', async () => {
  const bench = await openPostgresBench();
  const source = await startPostgresSource();
  let number = 0;
  const inDatabase = async (port: number | null, database: string, text: string): Promise<string> => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: port ?? 0,
      user,
      password,
      database,
    });
    await client.connect();
    try {
      const { rows } = await client.query<{ text: string }>(text);
      return rows[0]?.text ?? '';
    } finally {
      await client.end();
    }
  };
  let user = 'clone';
  let password = 'a password';
  const { database } = bench;
  const ready: typeof database.ready = async (spec, isAlive, login, signal) => {
    await database.ready(spec, isAlive, login, signal);
    if (login !== undefined) ({ user, password } = login);
  };
  return {
    database: { ...database, ready },
    runtime: bench.runtime,
    async sourceWith(text) {
      number += 1;
      const name = `source ${number}`;
      await source.run('postgres', `CREATE DATABASE "${name}"`);
      await source.run(name, 'CREATE TABLE texts (text text)', `INSERT INTO texts VALUES ('${text}')`);
      return await bench.request(
        { retrieval: 'logical', url: source.url(name) },
        { password: SOURCE_PASSWORD },
      );
    },
    withWrongPassword: (request) => ({ ...request, password: 'wrong' }),
    copy: (from) => bench.copy(from),
    newDataset: () => bench.newDataset(),
    async freePort() {
      const lease = await bench.machine.leasePort();
      await lease.release();
      return lease.port;
    },
    logFile: () => path.join(bench.root, `log-${String((number += 1))}`),
    async takePort(port) {
      const stranger = createServer();
      await new Promise<void>((resolve) => stranger.listen(port, '127.0.0.1', resolve));
      return () => new Promise<void>((resolve) => stranger.close(() => resolve()));
    },
    read: (spec, retrieved) => inDatabase(spec.port, retrieved.database, 'SELECT text FROM texts'),
    async write(spec, retrieved, text) {
      await inDatabase(spec.port, retrieved.database, `UPDATE texts SET text = '${text}'`);
    },
    damage: (directory) => rm(path.join(directory, 'global', 'pg_control')),
    checkNothingLeft: async () => assert.deepEqual(processesUnder([bench.root]), []),
    async close() {
      await source.remove();
      await bench.close();
    },
  };
});
