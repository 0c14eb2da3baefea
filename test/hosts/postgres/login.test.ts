import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
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
    work: (
      ready: (as: typeof login) => Promise<void>,
      connect: () => Promise<pg.Client>,
      spec: Awaited<ReturnType<PostgresBench['specFor']>>,
    ) => Promise<void>,
  ): Promise<void> => {
    const target = await bench.copy(copy.target);
    const spec = await bench.specFor(target, copy.version, { database: login.database });
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
        spec,
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

  it('stays with the databases that nobody opened yet as it was: a visit writes 160 kB', () =>
    startThen(async (ready, _connect, spec) => {
      await ready(login);
      assert.equal(await bench.database.connections(spec), 0);
      await bench.database.flush(spec);
      const tree = bench.machine.files.inside(spec.dataDirectory);
      const visited: string[] = [];
      for (const { name } of await tree.list('base')) {
        const files = await tree.list(path.join('base', name));
        if (files.some((file) => file.name === 'pg_internal.init')) visited.push(name);
      }
      assert.equal(visited.length, 1, visited.join(' '));
    }));

  it('gives its password whatever role the database makes every session, and says nothing of it in the log', () =>
    startThen(async (ready, connect, spec) => {
      await ready(login);
      const client = await connect();
      await client.query('CREATE ROLE nobody');
      await client.query('ALTER DATABASE shop SET role = nobody');
      await client.end();
      await ready({ ...login, password: 'another' });
      await assert.rejects(connect(), { code: '28P01' });
      const lines = (await readFile(spec.logFile, 'utf8')).split('\n');
      const problems = lines.filter((line) => /ERROR|STATEMENT/.test(line));
      assert.deepEqual(problems, []);
    }));
});
