import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { after, before, describe, it } from 'mocha';
import {
  MANIFEST_FILE,
  readTreeManifest,
} from '../../../engine/database/postgres/programs/local/bundledTree.ts';
import {
  CLIENT_FOLDER,
  developmentFolder,
  fetchPrograms,
  SERVER_FOLDER,
} from '../../../engine/database/postgres/programs/fetch/fetch.ts';
import { localProgramHost } from '../../../engine/database/postgres/programs/local/programHost.ts';
import {
  locatePrograms,
  type ClientPrograms,
  type ServerPrograms,
} from '../../../engine/database/postgres/programs/locate.ts';
import {
  BUNDLED_MAJOR,
  pinnedClient,
  pinnedServers,
  platformOf,
} from '../../../engine/database/postgres/programs/fetch/pinned.ts';
import { isOpenToAll, stagePrograms } from '../../../engine/database/postgres/programs/local/stage.ts';
import { ensureSystemPackages } from '../../support/systemPackages.ts';

const run = promisify(execFile);
const platform = platformOf(process);
const root = process.getuid?.() === 0;

/** Postgres refuses to run as root, and initdb wants a user that exists. */
async function serverUser(): Promise<{ uid?: number; gid?: number }> {
  if (!root) return {};
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((text) => text.startsWith('nobody:'));
  const [, , uid = '', gid = ''] = line?.split(':') ?? [];
  assert.match(uid, /^\d+$/, 'this test runs the server as the user nobody, who does not exist here');
  return { uid: Number(uid), gid: Number(gid) };
}

/** PostgreSQL takes no port 0. Between this and its start a stranger could take the port: the start then fails, loudly. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

/** Reads on afterwards, so that the server never waits for a full pipe. */
async function accepting(server: ChildProcess): Promise<void> {
  let said = '';
  await new Promise<void>((resolve, reject) => {
    server.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('ready to accept connections')) resolve();
    });
    server.once('exit', () => reject(new Error(`The server ended: ${said}`)));
  });
}

async function bundled(directory: string): Promise<{ server: ServerPrograms; client: ClientPrograms }> {
  // No PATH, and a platform with no known folders: what is found can only be ours.
  const host = { ...localProgramHost({}), platform: 'openbsd' as const };
  const { server, client } = await locatePrograms({
    host,
    major: BUNDLED_MAJOR,
    bundledDirectory: directory,
  });
  assert.ok(server.ok, JSON.stringify(server));
  assert.ok(client.ok, JSON.stringify(client));
  return { server: server.programs, client: client.programs };
}

describe('The programs that travel with us', function () {
  this.timeout(180_000);
  let directory: string;
  /** Those of a package alone: the folder of a checkout holds servers of older versions, too. */
  const copyTo = async (into: string): Promise<void> => {
    assert.ok(platform !== undefined);
    const server = pinnedServers(platform).find(({ major }) => major === BUNDLED_MAJOR);
    assert.ok(server !== undefined);
    for (const tree of [SERVER_FOLDER(server), CLIENT_FOLDER(pinnedClient(platform))])
      await cp(path.join(directory, tree), path.join(into, tree), {
        recursive: true,
        verbatimSymlinks: true,
      });
  };
  let work = '';
  let user: { uid?: number; gid?: number };

  before(async function () {
    if (platform === undefined || platform === 'win32-x64') return this.skip();
    directory = developmentFolder(platform);
    await fetchPrograms({ platform, majors: [BUNDLED_MAJOR], into: directory });
    work = await realpath(await mkdtemp(path.join(tmpdir(), 'thin-clones-programs-')));
    user = await serverUser();
  });

  after(async () => {
    if (work !== '') await rm(work, { recursive: true, force: true });
  });

  it('are a server and client tools of the same version, each with the licence of its package', async () => {
    const { server, client } = await bundled(directory);
    assert.equal(server.origin, 'bundled');
    assert.equal(server.version, client.version);
    assert.ok(server.pg_controldata !== undefined);
    for (const { tree } of [server, client]) {
      assert.ok(tree !== undefined);
      assert.notEqual((await readdir(path.join(tree, 'licences'))).length, 0);
    }
  });

  it('have no static libraries, build files or translations, which nobody would use', async () => {
    const files = await readdir(directory, { recursive: true });
    assert.deepEqual(
      files.filter((file) => /\.a$|pgxs|pkgconfig|\/locale\//.test(file)),
      [],
    );
  });

  it('are not made again when they are there', async () => {
    const { server } = await bundled(directory);
    const before = await stat(server.postgres);
    assert.ok(platform !== undefined);
    await fetchPrograms({ platform, majors: [BUNDLED_MAJOR], into: directory });
    assert.equal((await stat(server.postgres)).ino, before.ino);
  });

  it('get their run bits back when an unpacker lost them', async () => {
    const copy = path.join(work, 'no-modes');
    await copyTo(copy);
    for (const tree of await readdir(copy)) {
      const manifest = await readTreeManifest(path.join(copy, tree));
      for (const file of Object.values(manifest?.programs ?? {}))
        await chmod(path.join(copy, tree, file), 0o644);
    }
    const { server, client } = await bundled(copy);
    assert.equal((await stat(server.postgres)).mode & 0o777, 0o755);
    assert.equal((await stat(client.psql)).mode & 0o777, 0o755);
    await rm(copy, { recursive: true });
  });

  it('are not used when their folder is incomplete', async () => {
    const copy = path.join(work, 'incomplete');
    await copyTo(copy);
    for (const tree of await readdir(copy)) await rm(path.join(copy, tree, MANIFEST_FILE), { force: true });
    const host = { ...localProgramHost({}), platform: 'openbsd' as const };
    const { server } = await locatePrograms({ host, major: BUNDLED_MAJOR, bundledDirectory: copy });
    assert.ok(!server.ok);
    await rm(copy, { recursive: true });
  });

  it('are copied once to where the server user can run them when their own folder is closed', async () => {
    const closed = path.join(work, 'closed');
    const staged = path.join(work, 'staged');
    await chmod(work, 0o755);
    await mkdir(closed, { mode: 0o700 });
    await copyTo(path.join(closed, 'programs'));
    const { server } = await bundled(path.join(closed, 'programs'));
    const [first, second] = await Promise.all([
      stagePrograms(server, { intoDirectory: staged }),
      stagePrograms(server, { intoDirectory: staged }),
    ]);
    assert.deepEqual(first, second);
    assert.ok(first.postgres.startsWith(staged));
    assert.ok(first.initdb.startsWith(staged));
    assert.equal((await readdir(staged)).length, 1);
    assert.ok(await isOpenToAll(path.dirname(first.postgres)));
    const { stdout } = await run(first.postgres, ['--version'], user);
    assert.match(stdout, /PostgreSQL/);
    await rm(closed, { recursive: true });
    await rm(staged, { recursive: true });
  });

  it('stay where they are when everybody can reach them', async () => {
    const { server } = await bundled(directory);
    assert.ok(server.tree !== undefined);
    // Copies, since the checkout itself may lie where only root passes.
    const open = await mkdtemp(path.join(tmpdir(), 'thin-clones-open-'));
    await chmod(open, 0o755);
    const tree = path.join(open, path.basename(server.tree));
    await cp(server.tree, tree, { recursive: true, verbatimSymlinks: true });
    const there = { ...server, tree, postgres: path.join(tree, 'bin', 'postgres') };
    assert.ok(await isOpenToAll(path.dirname(there.postgres)), `${open} lets everybody pass`);
    assert.equal(await stagePrograms(there, { intoDirectory: path.join(work, 'unused') }), there);
    await rm(open, { recursive: true });
  });

  it('cannot be staged below a folder that is itself closed, and that is said', async () => {
    const closed = path.join(work, 'closed');
    await mkdir(path.join(closed, 'programs'), { recursive: true });
    await chmod(closed, 0o700);
    const { server } = await bundled(directory);
    assert.ok(server.tree !== undefined);
    const tree = path.join(closed, 'programs', path.basename(server.tree));
    await cp(server.tree, tree, { recursive: true, verbatimSymlinks: true });
    const inside = { ...server, tree, postgres: path.join(tree, 'bin', 'postgres') };
    await assert.rejects(stagePrograms(inside, { intoDirectory: path.join(closed, 'staged') }), /closed/);
    await rm(closed, { recursive: true });
  });

  describe('with a server running', () => {
    let server: ServerPrograms;
    let client: ClientPrograms;
    let postgres: ChildProcess | undefined;
    let socket: string;
    let port: number;

    const connect = (database: string): string[] => [
      '-h',
      socket,
      '-p',
      String(port),
      '-U',
      'admin',
      '-d',
      database,
    ];
    const psql = async (database: string, sql: string): Promise<string> =>
      (await run(client.psql, [...connect(database), '-XAtqc', sql])).stdout.trim();

    before(async () => {
      const found = await bundled(directory);
      const intoDirectory = path.join(work, 'programs');
      server = root ? await stagePrograms(found.server, { intoDirectory }) : found.server;
      client = found.client;
      port = await freePort();
      socket = path.join(work, 's');
      const data = path.join(socket, 'data');
      await chmod(work, 0o755);
      await mkdir(socket, { mode: 0o700 });
      if (user.uid !== undefined && user.gid !== undefined) await chown(socket, user.uid, user.gid);
      await run(server.initdb, ['-D', data, '-U', 'admin', '-A', 'trust', '--no-sync', '-E', 'UTF8'], {
        ...user,
        cwd: socket,
      });
      const { missing } = await ensureSystemPackages(['openssl']);
      assert.deepEqual(missing, []);
      const key = path.join(socket, 'server.key');
      const certificate = path.join(socket, 'server.crt');
      await run('openssl', [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'],
        ...['-keyout', key, '-out', certificate],
      ]);
      for (const file of [key, certificate]) {
        await chmod(file, 0o600);
        if (user.uid !== undefined && user.gid !== undefined) await chown(file, user.uid, user.gid);
      }
      await writeFile(
        path.join(data, 'pg_hba.conf'),
        'local all all trust\nhostssl all all 127.0.0.1/32 trust\n',
      );
      postgres = spawn(
        server.postgres,
        [
          ...['-D', data, '-k', socket, '-F', '-c', 'listen_addresses=127.0.0.1', '-c', `port=${port}`],
          ...['-c', 'ssl=on', '-c', `ssl_key_file=${key}`, '-c', `ssl_cert_file=${certificate}`],
        ],
        { ...user, cwd: socket, stdio: ['ignore', 'ignore', 'pipe'] },
      );
      await accepting(postgres);
    });

    after(async () => {
      if (postgres === undefined || postgres.exitCode !== null) return;
      const ended = once(postgres, 'exit');
      postgres.kill('SIGQUIT');
      await ended;
    });

    it('carry the extensions that people have in their databases', async () => {
      for (const extension of [
        'pg_stat_statements',
        'pgcrypto',
        '"uuid-ossp"',
        'hstore',
        'pg_trgm',
        'xml2',
      ]) {
        await psql('postgres', `create extension ${extension}`);
      }
      assert.equal(await psql('postgres', 'select count(*) from pg_extension'), '7');
    });

    it('sort text by the rules of a language, so ICU is whole', async () => {
      const sql = `select string_agg(w, ' ' order by w collate "sv-x-icu") from (values ('ö'), ('z'), ('å')) v(w)`;
      assert.equal(await psql('postgres', sql), 'z å ö');
    });

    it('dump a database in parallel and restore it with the same rows', async () => {
      await psql('postgres', 'create database source');
      await psql('postgres', 'create database copy');
      await psql(
        'source',
        'create table items as select i id, md5(i::text) name from generate_series(1, 20000) i',
      );
      const dump = path.join(work, 'dump');
      await run(client.pg_dump, [...connect('source'), '-Fd', '-j2', '-f', dump]);
      await run(client.pg_restore, [...connect('copy'), '-j2', '--exit-on-error', dump]);
      const digest = `select md5(string_agg(id || name, ',' order by id)) from items`;
      assert.equal(await psql('copy', digest), await psql('source', digest));
      assert.equal(await psql('copy', 'select count(*) from items'), '20000');
    });

    it('dump over TLS, which most sources ask for', async () => {
      const url = `postgresql://admin@127.0.0.1:${port}/postgres?sslmode=require`;
      const { stdout } = await run(client.pg_dumpall, ['-d', url, '--globals-only']);
      assert.match(stdout, /CREATE ROLE admin/);
    });

    it('tell the state of a data directory', async () => {
      assert.ok(server.pg_controldata !== undefined);
      const { stdout } = await run(server.pg_controldata, [path.join(socket, 'data')]);
      assert.match(stdout, /Database cluster state: +in production/);
    });
  });
});
