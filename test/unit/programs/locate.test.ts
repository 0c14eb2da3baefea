import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import path from 'node:path';
import {
  locateClient,
  locatePrograms,
  locateServer,
  parseVersion,
  type ProgramHost,
} from '../../../engine/database/postgres/programs/locate.ts';

interface FakeProgram {
  readonly says?: string;
  readonly fails?: string;
  readonly realPath?: string;
}

/** A machine that consists of these files; `calls` counts the programs that were run. */
function fakeHost(
  files: Readonly<Record<string, FakeProgram>>,
  options: { readonly platform?: NodeJS.Platform; readonly searchPath?: readonly string[] } = {},
): ProgramHost & { readonly calls: string[]; state: string } {
  const calls: string[] = [];
  const host = {
    calls,
    state: 'as installed',
    platform: options.platform ?? 'linux',
    searchPath: options.searchPath ?? [],
    run: async (program: string, args: readonly string[]) => {
      assert.deepEqual(args, ['--version']);
      calls.push(program);
      const file = files[program];
      if (file?.fails !== undefined) throw new Error(file.fails);
      return { code: 0, stdout: file?.says ?? '', stderr: '' };
    },
    fileState: async (file: string) => (file in files ? host.state : undefined),
    list: async (folder: string) => {
      const inside = Object.keys(files).filter((file) => file.startsWith(`${folder}/`));
      return [...new Set(inside.map((file) => file.slice(folder.length + 1).split('/')[0] ?? ''))];
    },
    realPath: async (file: string) => files[file]?.realPath ?? file,
    // None of these folders travels with us.
    readTree: async () => undefined,
    restoreTree: async () => undefined,
  };
  return host;
}

function server(folder: string, version: string): Record<string, FakeProgram> {
  return {
    [`${folder}/postgres`]: { says: `postgres (PostgreSQL) ${version}\n` },
    [`${folder}/initdb`]: {},
  };
}

function client(folder: string, version: string): Record<string, FakeProgram> {
  return {
    [`${folder}/pg_dump`]: { says: `pg_dump (PostgreSQL) ${version}\n` },
    [`${folder}/pg_restore`]: {},
    [`${folder}/psql`]: {},
    [`${folder}/pg_dumpall`]: {},
  };
}

describe('parseVersion', () => {
  it('reads releases, packages and prereleases', () => {
    assert.deepEqual(parseVersion('postgres (PostgreSQL) 18.4\n'), { major: 18, minor: 4, text: '18.4' });
    assert.deepEqual(parseVersion('pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n'), {
      major: 15,
      minor: 18,
      text: '15.18',
    });
    assert.deepEqual(parseVersion('psql (PostgreSQL) 19beta1\n'), {
      major: 19,
      minor: -1,
      text: '19beta1',
    });
  });

  it('does not take another program for PostgreSQL', () => {
    assert.equal(parseVersion('mysql  Ver 8.0.36 for Linux on x86_64\n'), undefined);
    assert.equal(parseVersion(''), undefined);
  });
});

describe('locateServer', () => {
  it('prefers the folder of the setting over the machine', async () => {
    const host = fakeHost({
      ...server('/opt/pg/bin', '16.1'),
      ...server('/usr/lib/postgresql/16/bin', '16.9'),
    });
    const found = await locateServer({ host, major: 16, setting: { serverDirectory: '/opt/pg' } });
    assert.ok(found.ok);
    assert.equal(found.programs.postgres, '/opt/pg/bin/postgres');
    assert.equal(found.programs.origin, 'setting');
    assert.equal(found.programs.version, '16.1');
  });

  it('goes on to the machine when the setting names another version', async () => {
    const host = fakeHost({
      ...server('/opt/pg/bin', '15.2'),
      ...server('/usr/lib/postgresql/16/bin', '16.9'),
    });
    const found = await locateServer({ host, major: 16, setting: { serverDirectory: '/opt/pg/bin' } });
    assert.ok(found.ok);
    assert.equal(found.programs.postgres, '/usr/lib/postgresql/16/bin/postgres');
    assert.equal(found.programs.origin, 'machine');
  });

  it('takes exactly the version that the data needs, not a newer one', async () => {
    const host = fakeHost({
      ...server('/usr/lib/postgresql/18/bin', '18.4'),
      ...server('/usr/lib/postgresql/15/bin', '15.18'),
    });
    const found = await locateServer({ host, major: 15 });
    assert.ok(found.ok);
    assert.equal(found.programs.major, 15);
  });

  it('takes the newest when no version is asked for, comparing numbers and not text', async () => {
    const host = fakeHost({
      ...server('/usr/lib/postgresql/9/bin', '9.6.24'),
      ...server('/usr/lib/postgresql/17/bin', '17.10'),
      ...server('/usr/pgsql-17/bin', '17.9'),
    });
    const found = await locateServer({ host });
    assert.ok(found.ok);
    assert.equal(found.programs.version, '17.10');
  });

  it('follows a link on PATH to where the other programs are', async () => {
    const host = fakeHost(
      {
        '/usr/local/bin/postgres': { realPath: '/srv/pg/bin/postgres' },
        ...server('/srv/pg/bin', '17.2'),
      },
      { searchPath: ['/usr/local/bin'] },
    );
    const found = await locateServer({ host, major: 17 });
    assert.ok(found.ok);
    assert.equal(found.programs.initdb, '/srv/pg/bin/initdb');
  });

  it('passes over a folder that has only a part of the programs, and says so', async () => {
    const host = fakeHost({
      '/usr/lib/postgresql/16/bin/postgres': { says: 'postgres (PostgreSQL) 16.9\n' },
      '/usr/bin/apt-get': {},
    });
    const found = await locateServer({ host, major: 16 });
    assert.ok(!found.ok);
    assert.ok(found.missing.searched.includes('/usr/lib/postgresql/16/bin (no initdb)'));
  });

  it('names what it saw and the command to install when the version is missing', async () => {
    const host = fakeHost(
      { ...server('/usr/lib/postgresql/15/bin', '15.18'), '/usr/bin/apt-get': {} },
      { searchPath: ['/usr/bin'] },
    );
    const found = await locateServer({ host, major: 16, bundledDirectory: '/nowhere' });
    assert.ok(!found.ok);
    assert.equal(found.missing.what, 'A server of PostgreSQL 16');
    assert.deepEqual(found.missing.searched, [
      '/usr/lib/postgresql/15/bin (15.18)',
      'PATH',
      '/nowhere (empty)',
    ]);
    assert.match(found.missing.install, /"sudo apt-get install postgresql-16"/);
  });

  it('tells why a program that is there could not be used', async () => {
    const host = fakeHost({
      ...server('/usr/lib/postgresql/16/bin', '16.9'),
      '/usr/lib/postgresql/16/bin/postgres': { fails: 'no answer in 10000 ms' },
    });
    const found = await locateServer({ host, major: 16 });
    assert.ok(!found.ok);
    assert.equal(
      found.missing.searched[0],
      '/usr/lib/postgresql/16/bin (does not start: no answer in 10000 ms)',
    );
  });

  it('asks a program for its version once, and again when the file has changed', async () => {
    const host = fakeHost(server('/usr/lib/postgresql/16/bin', '16.9'));
    await locateServer({ host, major: 16 });
    await locateServer({ host, major: 16 });
    assert.equal(host.calls.length, 1);
    host.state = 'upgraded';
    await locateServer({ host, major: 16 });
    assert.equal(host.calls.length, 2);
  });

  it('stops when it is aborted', async () => {
    const host = fakeHost(server('/usr/lib/postgresql/16/bin', '16.9'));
    await assert.rejects(
      locateServer({ host, major: 16, signal: AbortSignal.abort(new Error('enough')) }),
      /enough/,
    );
  });
});

describe('locateClient', () => {
  it('takes the newest tools on the machine', async () => {
    const host = fakeHost({
      ...client('/usr/lib/postgresql/15/bin', '15.18'),
      ...client('/usr/pgsql-17/bin', '17.3'),
    });
    const found = await locateClient({ host });
    assert.ok(found.ok);
    assert.equal(found.programs.pg_dump, '/usr/pgsql-17/bin/pg_dump');
  });

  it('keeps to the tools of the setting even when newer ones exist', async () => {
    const host = fakeHost({
      ...client('/opt/tools', '16.1'),
      ...client('/usr/lib/postgresql/18/bin', '18.4'),
    });
    const found = await locateClient({ host, setting: { clientDirectory: '/opt/tools' } });
    assert.ok(found.ok);
    assert.equal(found.programs.version, '16.1');
  });

  it('refuses tools that are older than the source', async () => {
    const host = fakeHost(
      { ...client('/usr/lib/postgresql/15/bin', '15.18'), '/usr/bin/dnf': {} },
      { searchPath: ['/usr/bin'] },
    );
    const found = await locateClient({ host, atLeast: 17 });
    assert.ok(!found.ok);
    assert.equal(found.missing.what, 'The client tools of PostgreSQL 17 or newer');
    assert.match(found.missing.install, /sudo dnf install postgresql17/);
  });

  it("does not take Debian's wrapper scripts for the programs", async () => {
    const wrapper = {
      says: 'pg_dump (PostgreSQL) 15.18\n',
      realPath: '/usr/share/postgresql-common/pg_wrapper',
    };
    const host = fakeHost(
      {
        '/usr/bin/pg_dump': wrapper,
        '/usr/bin/pg_restore': wrapper,
        '/usr/bin/psql': wrapper,
        '/usr/bin/pg_dumpall': wrapper,
        '/usr/share/postgresql-common/pg_wrapper': wrapper,
      },
      { searchPath: ['/usr/bin'] },
    );
    const found = await locateClient({ host });
    assert.ok(!found.ok);
    assert.deepEqual(host.calls, []);
  });
});

describe('locatePrograms', () => {
  it('looks for programs with .exe on Windows', async function () {
    if (path.sep !== '/') this.skip();
    const host = fakeHost(
      {
        '/pg/postgres.exe': { says: 'postgres (PostgreSQL) 18.4\n' },
        '/pg/initdb.exe': {},
      },
      { platform: 'win32', searchPath: ['/pg'] },
    );
    const { server: found, client: tools } = await locatePrograms({ host, major: 18 });
    assert.ok(found.ok);
    assert.equal(found.programs.postgres, '/pg/postgres.exe');
    assert.ok(!tools.ok);
    assert.match(tools.missing.install, /winget install PostgreSQL.PostgreSQL.18/);
  });
});
