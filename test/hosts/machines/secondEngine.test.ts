import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Client } from '../../../engine/protocol/client.ts';
import type { Connection, Host, Job } from '../../../engine/protocol/entities.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { makeTestEngine, repository, type TestEngine } from '../../support/engine.ts';
import { skipSuite } from '../../support/skips.ts';
import { startLineProxy, type LineProxy } from './lineProxy.ts';
import { noSecondHost, startSecondHost, type SecondHost } from './secondHost.ts';

describe('the engine of a second host, by ssh', function () {
  this.timeout(300_000);
  const isRoot = process.getuid?.() === 0;
  let folder: string;
  let machine: SecondHost | undefined;
  let proxy: LineProxy | undefined;
  let near: TestEngine | undefined;
  let client: Client;

  before(async function () {
    const reason = await noSecondHost();
    if (reason !== undefined) skipSuite(this, reason);
    folder = await mkdtemp(join(tmpdir(), 'tc-second-'));
    const home = join(folder, 'home');
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
    near = await makeTestEngine({
      variables: { THIN_CLONES_STORAGE_DRIVER: 'copy', THIN_CLONES_SSH_CONFIG: file },
    });
    client = await near.client();
  });
  after(async () => {
    await near?.dispose();
    await proxy?.close();
    await machine?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const user = isRoot ? 'root@' : '';
  const until = async (isSo: () => Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const done = async (request: Promise<{ job: Job }>): Promise<void> => {
    const { job } = await request;
    let last = job;
    await until(async () => {
      last = await client.call('jobShow', { params: { job: job.id } });
      return last.endedAt !== null;
    });
    assert.equal(last.state, 'succeeded', last.error?.message);
  };
  const hostNow = (): Promise<Host> => client.call('hostShow', { params: { host: 'box' } });
  const connection = async (): Promise<Connection> => {
    const [first] = (await client.call('cloneConnection', { params: { clone: 'box/mine' } })).items;
    assert.ok(first);
    return first;
  };
  const ask = async (login: Connection, sql: string): Promise<unknown> => {
    const { host, port, user: name, password, database } = login;
    const session = new pg.Client({ host, port, user: name, password, database });
    session.on('error', () => undefined); // the line is cut on purpose
    await session.connect();
    try {
      return (await session.query<{ v: string }>(sql)).rows[0]?.v;
    } finally {
      await session.end();
    }
  };
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
    proxy?.refuse(false);
    assert.deepEqual(await connection(), login);
    assert.equal(await ask(login, 'SELECT v FROM mark'), 'origin');
  });

  it('is forgotten, and goes on', async () => {
    await client.call('hostRemove', { params: { host: 'box' } });
    assert.deepEqual((await client.call('overview', {})).clones, []);
    const host = await client.call('hostAdd', { body: { name: 'box', address: `ssh://${user}big` } });
    assert.equal(host.state, 'ready');
    assert.equal(await ask(await connection(), 'SELECT v FROM mark'), 'origin');
  });
});
