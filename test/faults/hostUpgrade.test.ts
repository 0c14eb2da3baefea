/** Builds of several versions and protocols take each other's place on a host, while clones and jobs there go on. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection, Host, Job } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { protocolVersion } from '../../engine/protocol/wire.ts';
import { repository } from '../support/engine.ts';
import { succeeded, until } from '../support/workOfClient.ts';
import { openFarWorld, type FarWorld } from './farWorld.ts';
import { openNearApp, type NearApp } from './nearApp.ts';
import { environment } from './world.ts';

describe('builds of an engine on a host', function () {
  this.timeout(240_000);
  let folder: string;
  let far: FarWorld;
  let near: NearApp;
  let client: Client;
  let login: Connection;
  let dataset: string;
  let firstServer: number[];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-builds-'));
    await chmod(folder, 0o755);
    if (!existsSync(join(repository, 'dist', 'build.json')))
      await promisify(execFile)(process.execPath, ['esbuild.mjs'], { cwd: repository });
    far = await openFarWorld('big');
    near = await openNearApp({ big: far.link });
    ({ client } = near);
    await done(client.call('cloneCreate', { body: { environment: `big/${environment}`, name: 'kept' } }));
    await far.world.write('kept', 'mine');
    [login] = (await client.call('cloneConnection', { params: { clone: 'kept' } })).items as [Connection];
    dataset = (await client.call('cloneShow', { params: { clone: 'kept' } })).members[0]?.dataset ?? '';
    firstServer = server();
    assert.equal(firstServer.length, 1);
  });
  after(async () => {
    await near.close();
    await far.dispose();
    await rm(folder, { recursive: true });
  });

  /** The command line of what was built, as another version of it. */
  const build = async (version: string, protocol = protocolVersion): Promise<string> => {
    const dist = join(folder, `${version}_${protocol}`, 'dist');
    await mkdir(dist, { recursive: true });
    for (const entry of ['engine.mjs', 'thin-clones.mjs', 'engine-chunks'])
      await cp(join(repository, 'dist', entry), join(dist, entry), { recursive: true });
    await writeFile(join(dist, 'build.json'), JSON.stringify({ version, build: `${version}-${protocol}` }));
    await symlink(join(repository, '.cache'), join(dist, '..', '.cache'));
    const built = JSON.parse(await readFile(join(repository, 'dist', 'build.json'), 'utf8')) as {
      version: string;
    };
    const others = [
      [`version: "${built.version}"`, `version: "${version}"`],
      [`protocolVersion = ${protocolVersion};`, `protocolVersion = ${protocol};`],
    ] as const;
    const found = new Set<string>();
    for (const entry of await readdir(dist, { recursive: true })) {
      if (!entry.endsWith('.mjs')) continue;
      let text = await readFile(join(dist, entry), 'utf8');
      for (const [own, other] of others) {
        if (text.includes(own)) found.add(own);
        text = text.replaceAll(own, other);
      }
      await writeFile(join(dist, entry), text);
    }
    assert.equal(found.size, others.length, [...found].join());
    return join(dist, 'thin-clones.mjs');
  };
  const done = async (request: Promise<{ job: Job }>): Promise<void> => {
    await succeeded(client, request, 5);
  };
  const hostNow = (): Promise<Host> => client.call('hostShow', { params: { host: 'big' } });
  /** Processes of the server of the clone that is there from the beginning. */
  const server = (): number[] =>
    far.world.engine
      .processes()
      .filter(({ commandLine }) => commandLine.includes(`cluster_name=${dataset}`))
      .map(({ pid }) => pid);
  /** The next link has a bridge of this build. */
  const linkAnew = async (file: string | null): Promise<void> => {
    far.bridgeFrom(file);
    far.line.cut();
    // What ended is noticed at once; the next one is another.
    await until(async () => (await hostNow()).state !== 'ready');
  };
  const show = () => client.call('cloneShow', { params: { clone: 'kept' } });

  it('newer than the one that runs: its place is taken when no job is at work, and no clone stops', async () => {
    const newer = await build('1.2.0');
    const { version } = await hostNow();
    const sources = join(far.world.engine.home, 'sources');
    const dump = join(sources, 'waiting.sql');
    const wait = `DO $$ BEGIN WHILE pg_stat_file('${join(sources, 'go')}', true) IS NULL LOOP PERFORM pg_sleep(0.05); END LOOP; END $$`;
    await writeFile(dump, `CREATE TABLE mark (v text); INSERT INTO mark VALUES ('waited'); ${wait};`);
    await chmod(dump, 0o644);
    const definition = {
      host: 'big',
      members: { db: { engine: 'postgres', retrieval: 'dump', dump, database: 'shop' } },
    } as const;
    await client.call('environmentApply', { params: { name: 'big/waiting' }, body: { definition } });
    const { job } = await client.call('environmentRefresh', {
      params: { environment: 'big/waiting' },
      body: {},
    });
    await linkAnew(newer);
    assert.equal((await show()).state, 'ready');
    const now = await client.call('jobShow', { params: { job: job.id } });
    assert.deepEqual([now.state, (await hostNow()).version], ['running', version]);
    await writeFile(join(sources, 'go'), '', { mode: 0o644 });
    await done(Promise.resolve({ job }));
    await done(client.call('cloneCreate', { body: { environment: 'big/waiting', name: 'waited' } }));

    await linkAnew(newer);
    assert.equal((await show()).state, 'ready');
    assert.equal((await hostNow()).version, '1.2.0');
    assert.deepEqual(server(), firstServer);
    assert.equal(await far.world.readAt(login), 'mine');
    assert.equal(await far.world.read('waited'), 'waited');
    const told = (await client.call('overview', {})).jobs.find(({ id }) => id === job.id);
    assert.equal(told?.state, 'succeeded');
    await far.world.checkNothingLeft();
  });

  it('older than the one that runs: it is used as it is', async () => {
    for (const file of [null, await build('1.1.0')]) {
      await linkAnew(file);
      assert.equal((await show()).state, 'ready');
      assert.equal((await hostNow()).version, '1.2.0');
      await done(client.call('cloneReset', { params: { clone: 'waited' }, body: {} }));
      assert.equal(await far.world.readAt(login), 'mine');
    }
    assert.deepEqual(server(), firstServer);
  });

  it('of another protocol: it is said which side is to be updated, and the clones go on', async () => {
    await linkAnew(await build('1.3.0', protocolVersion + 1));
    await assert.rejects(show(), (error) => isFailure(error, 'protocol_mismatch'));
    await until(async () => (await hostNow()).problem?.includes('protocol') === true);
    const { state, problem } = await hostNow();
    assert.deepEqual(
      [state, problem],
      [
        'unreachable',
        `The engine of host big speaks protocol ${protocolVersion + 1}, this machine's ${protocolVersion}: update Thin Clones on this machine.`,
      ],
    );
    // A bridge of this protocol says the same of the newer engine that runs, and leaves it there.
    await linkAnew(null);
    await assert.rejects(show(), (error) => isFailure(error, 'protocol_mismatch'));
    assert.deepEqual(server(), firstServer);
    const { clones } = await client.call('overview', {});
    assert.deepEqual(clones.map(({ name }) => name as string).sort(), ['kept', 'waited']);
    // Once this machine is updated, which is played the other way round here, everything is there.
    await linkAnew(await build('1.4.0'));
    assert.equal((await show()).state, 'ready');
    assert.equal((await hostNow()).version, '1.4.0');
    assert.equal(await far.world.readAt(login), 'mine');
    assert.deepEqual(server(), firstServer);
    await far.world.checkNothingLeft();
  });
});
