import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import type { Client } from '../../../engine/protocol/client.ts';
import type { Checkout, Connection, Host, Job } from '../../../engine/protocol/entities.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { makeTestEngine, repository, type TestEngine } from '../../support/engine.ts';
import { shareArchives } from '../../support/sharedArchives.ts';
import { skipSuite } from '../../support/skips.ts';
import { ask, loginOf, succeeded, until } from '../../support/workOfClient.ts';
import { startLineProxy, type LineProxy } from './lineProxy.ts';
import { noSecondHost, startSecondHost, type SecondHost } from './secondHost.ts';

describe('the engine of a second host, by ssh', function () {
  this.timeout(300_000);
  const isRoot = process.getuid?.() === 0;
  let folder: string;
  let machine: SecondHost | undefined;
  let proxy: LineProxy | undefined;
  let near: TestEngine | undefined;
  let ssh: string;
  let home: string;
  let client: Client;

  before(async function () {
    const reason = await noSecondHost();
    if (reason !== undefined) skipSuite(this, reason);
    folder = await mkdtemp(join(tmpdir(), 'tc-second-'));
    home = join(folder, 'home');
    for (const path of [folder, home]) {
      await mkdir(path, { recursive: true });
      await chmod(path, 0o755);
    }
    await writeFile(
      join(home, 'settings.json'),
      JSON.stringify({ storage: { driver: 'copy' }, ...(isRoot && { serverUser: 'ann' }) }),
    );
    // What is brought there is what was built.
    if (!existsSync(join(repository, 'dist', 'build.json')))
      await promisify(execFile)(process.execPath, ['esbuild.mjs'], { cwd: repository });
    await writeFile(
      join(folder, 'shop.sql'),
      "CREATE TABLE mark (v text); INSERT INTO mark VALUES ('origin');",
    );
    machine = await startSecondHost({
      accounts: [{ name: 'ann', shell: '/bin/sh' }],
      sshd: [`SetEnv THIN_CLONES_HOME=${home}`, 'Match User root', 'PermitRootLogin yes'],
    });
    proxy = await startLineProxy(machine.port);
    const { file } = await machine.clientConfig({ port: proxy.port });
    ssh = file;
    near = await makeTestEngine({
      variables: { THIN_CLONES_STORAGE_DRIVER: 'copy', THIN_CLONES_SSH_CONFIG: file },
    });
    await shareArchives(near.home);
    client = await near.client();
  });
  after(async () => {
    await near?.dispose();
    await proxy?.close();
    await machine?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const user = isRoot ? 'root@' : '';
  const done = (request: Promise<{ job: Job }>): Promise<Job> => succeeded(client, request);
  const hostNow = (): Promise<Host> => client.call('hostShow', { params: { host: 'box' } });
  const connection = (): Promise<Connection> => loginOf(client, 'box/mine');
  let login: Connection;

  it('is not remembered when the login fails, and says why', async () => {
    await assert.rejects(
      client.call('hostAdd', { body: { name: 'box', address: 'ssh://stranger@big' } }),
      (error) => isFailure(error, 'host_login'),
    );
    await assert.rejects(
      client.call('hostAdd', { body: { name: 'box', address: '-oProxyCommand=x' } }),
      (error) => isFailure(error, 'host_address'),
    );
    assert.deepEqual(
      (await client.call('hostList', {})).items.map(({ name }) => name as string),
      ['local'],
    );
  });

  it('is brought there and joined by its address, and makes, breaks and resets a clone at a port of this machine', async () => {
    const heard: string[] = [];
    const overview = await client.call('overview', {});
    const listening = new AbortController();
    const told = (async () => {
      for await (const event of client.events(overview, listening.signal))
        if (event.kind === 'host' && event.entity.doing !== null) heard.push(event.entity.doing);
    })();
    const host = await client.call('hostAdd', { body: { name: 'box', address: `ssh://${user}big` } });
    listening.abort();
    await told;
    assert.ok(
      ['Logging in', 'Starting the engine there'].every((text) => heard.includes(text)),
      heard.join('; '),
    );
    assert.deepEqual([host.name, host.kind, host.state, host.problem], ['box', 'ssh', 'ready', null]);
    assert.match(host.storage?.label ?? '', /copy/);
    const definition = {
      host: 'box',
      members: {
        db: { engine: 'postgres', retrieval: 'dump', dump: join(folder, 'shop.sql'), database: 'shop' },
      },
    } as const;
    await client.call('environmentApply', { params: { name: 'shop' }, body: { definition } });
    await done(client.call('environmentRefresh', { params: { environment: 'box/shop' } }));
    await done(client.call('cloneCreate', { body: { environment: 'box/shop', name: 'mine' } }));
    login = await connection();
    assert.equal(await ask(login, 'SELECT v FROM mark'), 'origin');
    await ask(login, "UPDATE mark SET v = 'broken'");
    await done(client.call('cloneReset', { params: { clone: 'mine' } }));
    assert.equal(await ask(login, 'SELECT v FROM mark'), 'origin');
    assert.deepEqual(await connection(), login);
  });

  it('is reached again when the line was cut, and a job there goes on meanwhile', async () => {
    const { job } = await client.call('environmentRefresh', { params: { environment: 'box/shop' } });
    proxy?.cut();
    await done(Promise.resolve({ job }));
    assert.equal(await ask(login, 'SELECT v FROM mark'), 'origin');
    assert.equal((await hostNow()).state, 'ready');
  });

  it('is shown as it was while nobody reaches it, also by an engine that starts then', async () => {
    // What is known is kept a moment later.
    await near?.stop();
    proxy?.refuse(true);
    assert.ok(near);
    client = await near.client();
    await until(async () => (await hostNow()).state === 'unreachable');
    const { clones, environments } = await client.call('overview', {});
    assert.deepEqual(
      clones.map(({ name, environment }) => [name, environment]),
      [['mine', 'box/shop']],
    );
    assert.deepEqual(
      environments.map(({ name }) => name as string),
      ['box/shop'],
    );
    assert.notEqual((await hostNow()).unreachableSince, null);
    // With TLS and without, by the port that leads to the clone alone.
    for (const more of [{}, { ssl: { rejectUnauthorized: false } }])
      await assert.rejects(ask(login, 'SELECT v FROM mark', more), (error: pg.DatabaseError) => {
        assert.deepEqual([error.severity, error.code], ['FATAL', '57P03']);
        assert.match(error.message, /^Host box can't be reached: .*is out of reach since 20\d\d-.* UTC\.$/s);
        assert.match(error.hint ?? '', /thin-clones host reconnect box/);
        return true;
      });
    proxy?.refuse(false);
    // An attempt that was refused may just be ending: who asks in that moment is told of it.
    await until(() =>
      connection().then(
        () => true,
        (error: unknown) => {
          if (!isFailure(error, 'host_unreachable')) throw error;
          return false;
        },
      ),
    );
    assert.deepEqual(await connection(), login);
    assert.equal(await ask(login, 'SELECT v FROM mark'), 'origin');
  });

  let path: string;
  let first: Connection;
  const run = promisify(execFile);
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], { cwd: path });
  const show = (): Promise<Checkout> => client.call('checkoutShow', { params: { checkout: path } });
  const leadsTo = async (branch: string): Promise<void> =>
    until(async () => {
      const { state, key, reason } = await show();
      assert.notEqual(state, 'failed', reason ?? '');
      return state === 'ready' && key === branch;
    });
  const stable = async (): Promise<Connection> => {
    const { items } = await client.call('checkoutConnection', { params: { checkout: path } });
    assert.ok(items[0]);
    return items[0];
  };
  /** As applications do that want TLS, with a login that is bound to it where the server offers that. */
  const askSafely = async (sql: string): Promise<unknown> =>
    ask(await stable(), sql, { enableChannelBinding: true, ssl: { rejectUnauthorized: false } });

  it('gives each branch of a checkout a clone there, behind one port, user and password', async () => {
    path = join(await realpath(folder), 'work');
    await mkdir(path);
    await git('init', '-q', '-b', 'main');
    await git('commit', '-q', '--allow-empty', '-m', 'first');
    await client.call('checkoutOpen', {
      body: { folder: path, environment: 'box/shop', follow: 'automatic' },
    });
    await leadsTo('main');
    first = await stable();
    await ask(first, "UPDATE mark SET v = 'main'");
    await git('switch', '-q', '-c', 'feature/a');
    await leadsTo('feature/a');
    assert.deepEqual(await stable(), first);
    assert.equal(await ask(first, 'SELECT v FROM mark'), 'origin');
    await ask(first, "UPDATE mark SET v = 'a'");
    await git('switch', '-q', 'main');
    await leadsTo('main');
    assert.equal(await askSafely('SELECT v FROM mark'), 'main');
    await done(client.call('cloneReset', { params: { clone: 'box/main' } }));
    await leadsTo('main');
    assert.equal(await ask(first, 'SELECT v FROM mark'), 'origin');
    await git('switch', '-q', 'feature/a');
    await leadsTo('feature/a');
    assert.equal(await ask(first, 'SELECT v FROM mark'), 'a');
  });

  it('says which host is not reached, and leads right again by itself', async () => {
    proxy?.refuse(true);
    await until(async () => (await show()).state === 'none');
    assert.match((await show()).reason ?? '', /box/);
    await assert.rejects(ask(first, 'SELECT v FROM mark'), (error: Error & { code?: string }) => {
      assert.equal(error.code, '57P03');
      assert.match(error.message, /[Hh]ost box /);
      return true;
    });
    proxy?.refuse(false);
    await leadsTo('feature/a');
    assert.equal(await ask(first, 'SELECT v FROM mark'), 'a');
  });

  it('leads there again after the engine there was killed, and by an engine here that starts anew', async () => {
    const { pid } = JSON.parse(await readFile(join(home, 'engine', 'engine.json'), 'utf8')) as {
      pid: number;
    };
    await run('ssh', ['-F', ssh, `${user}big`, `kill -9 ${pid}`]);
    await until(async () => {
      const found = JSON.parse(await readFile(join(home, 'engine', 'engine.json'), 'utf8')) as {
        pid: number;
      };
      return found.pid !== pid;
    });
    await leadsTo('feature/a');
    assert.equal(await ask(first, 'SELECT v FROM mark'), 'a');
    await git('switch', '-q', 'main');
    await leadsTo('main');
    assert.equal(await ask(first, 'SELECT v FROM mark'), 'origin');
    await near?.stop();
    assert.ok(near);
    client = await near.client();
    await until(async () => (await client.call('checkoutList', {})).items.length === 1);
    await leadsTo('main');
    assert.deepEqual(await stable(), first);
    assert.equal(await ask(first, 'SELECT v FROM mark'), 'origin');
  });

  it('is forgotten, and goes on', async () => {
    await client.call('hostRemove', { params: { host: 'box' } });
    assert.deepEqual((await client.call('overview', {})).clones, []);
    const host = await client.call('hostAdd', { body: { name: 'box', address: `ssh://${user}big` } });
    assert.equal(host.state, 'ready');
    assert.equal(await ask(await connection(), 'SELECT v FROM mark'), 'origin');
  });
});
