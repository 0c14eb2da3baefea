import assert from 'node:assert/strict';
import pg from 'pg';
import type { ThinClonesError } from '../../../engine/protocol/errors.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import { SOURCE_PASSWORD, startPostgresSource, type PostgresSource } from '../../support/postgresSource.ts';

describe('a clone whose database refuses logins', () => {
  let bench: PostgresBench;
  let source: PostgresSource;
  let copy: { target: string; version: string };
  before(async () => {
    bench = await openPostgresBench();
    source = await startPostgresSource();
    await source.run('postgres', 'CREATE DATABASE shop', "ALTER DATABASE shop SET work_mem = '7MB'");
    copy = await bench.retrieve(
      { retrieval: 'logical', url: source.url('shop') },
      { password: SOURCE_PASSWORD },
    );
  });
  after(async () => {
    await source.remove();
    await bench.close();
  });

  const login = { user: 'clone', password: 'a b', database: 'shop' };
  const startThen = async (
    work: (ready: (as: typeof login) => Promise<void>, connect: () => Promise<pg.Client>) => Promise<void>,
  ): Promise<void> => {
    const target = await bench.copy(copy.target);
    const spec = await bench.specFor(target, copy.version);
    await bench.database.makeStartable(target);
    const server = await bench.runtime.start(spec);
    try {
      await work(
        (as) => bench.database.ready(spec, () => bench.runtime.alive(server), as),
        async () => {
          const client = new pg.Client({ host: '127.0.0.1', port: spec.port ?? 0, ...login });
          await client.connect();
          return client;
        },
      );
    } finally {
      await bench.runtime.stop(server, 'immediate');
      await bench.database.abandon('none', target, bench.newDataset());
      await bench.machine.files.remove(spec.socketDirectory);
    }
  };
  const refused = (pattern: RegExp) => (error: ThinClonesError) => {
    assert.equal(error.code, 'server_start_failed', error.message);
    assert.match(error.message, pattern);
    return true;
  };

  it('is ready only when the login has opened a session in it', () =>
    startThen(async (ready) => {
      await ready(login);
      await assert.rejects(
        ready({ ...login, database: 'nowhere' }),
        refused(/database "nowhere" does not exist/),
      );
    }));

  it('says which setting of the database keeps people out', () =>
    startThen(async (ready, connect) => {
      await ready(login);
      const client = await connect();
      await client.query("ALTER DATABASE shop SET session_preload_libraries = 'no_such_library'");
      await client.end();
      await assert.rejects(ready(login), refused(/no_such_library/));
    }));
});
