/** The state database, the key or the installation file is lost, damaged or of a newer version: nothing else is. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { ofTheHub } from '../../engine/http/server.ts';
import type { Connection } from '../../engine/protocol/entities.ts';
import { routes, type RouteName } from '../../engine/protocol/routes.ts';
import { readDiscovery } from '../../engine/protocol/node/discovery.ts';
import { skipSuite } from '../support/skips.ts';
import { seededBytes } from '../support/seeds.ts';
import { codeOf, environment, fillWorld, openWorld, type World } from './world.ts';
import { ask, openStream } from './rawRequest.ts';

describe('a state that is lost or damaged', function () {
  this.timeout(120_000);
  let world: World;
  let before_: Awaited<ReturnType<World['portrait']>>;
  let mine: Connection;
  const files = (): string[] => ['', '-wal', '-shm'].map((suffix) => `${world.engine.paths.state}${suffix}`);

  before(async () => {
    world = await openWorld();
    await fillWorld(world);
    const create = (name: string) =>
      world.done((c) => c.call('cloneCreate', { body: { environment, name } }));
    await create('feature/a');
    await create('größe-ы');
    await world.write('feature/a', 'mine');
    await world.done((c) => c.call('cloneReset', { params: { clone: 'größe-ы' }, body: { keepAs: 'kept' } }));
    const client = await world.client();
    await client.call('cloneProtect', { params: { clone: 'feature/a' }, body: { minutes: 'forever' } });
    mine = await world.connection('feature/a');
    await world.engine.stop();
    before_ = await world.portrait();
    await world.engine.stop();
  });
  after(() => world.dispose());
  afterEach(async () => {
    assert.equal(await world.readAt(mine), 'mine');
    await world.engine.stop();
  });

  /** What the store holds, byte for byte where it is ours to say. */
  const inventory = async (): Promise<unknown> => {
    const list: unknown[] = [];
    for (const folder of ['data', 'tags', 'trash', '.'])
      for (const name of (await readdir(join(world.store, folder))).sort())
        list.push([
          folder,
          name,
          folder === 'tags' ? await readFile(join(world.store, 'tags', name), 'utf8') : '',
        ]);
    return list;
  };

  it('finds every environment, snapshot and clone again from the tags when the state is deleted', async () => {
    for (const file of files()) await rm(file, { force: true });
    assert.deepEqual(await world.portrait(), before_);
    await world.checkNothingLeft();
  });

  it('finds the last protection again whenever the engine ends with its answer', async () => {
    for (const minutes of [null, 30, null, 'forever'] as const) {
      const client = await world.client();
      const body = { minutes };
      const { protectedUntil } = await client.call('cloneProtect', { params: { clone: 'feature/a' }, body });
      await world.engine.stop();
      for (const file of files()) await rm(file, { force: true });
      const found = await (await world.client()).call('cloneShow', { params: { clone: 'feature/a' } });
      assert.equal(found.protectedUntil, protectedUntil);
    }
    assert.deepEqual(await world.portrait(), before_);
  });

  const damages: Record<string, (state: string) => Promise<void>> = {
    'is garbage': (state) => writeFile(state, seededBytes(7, 40_000)),
    'is cut in half': async (state) => truncate(state, Math.floor((await stat(state)).size / 2)),
    'has a document with a flipped bit': async (state) => {
      const bytes = await readFile(state);
      const at = bytes.indexOf('"feature/a"');
      assert.ok(at > 0);
      const file = await open(state, 'r+');
      await file.write('"feature/b"', at);
      await file.close();
    },
    'was written by a newer version': async (state) => {
      const db = new DatabaseSync(state);
      db.exec('PRAGMA user_version = 999');
      db.close();
    },
  };
  for (const [title, damage] of Object.entries(damages)) {
    it(`changes nothing and says so when the state ${title}, and is whole after a rebuild`, async () => {
      const found = await inventory();
      await damage(world.engine.paths.state);
      const damaged = await readFile(world.engine.paths.state);

      const { client, info } = await world.connect();
      await client.call('overview', {});
      const { state, problem } = await client.call('engineInfo', {});
      assert.equal(state, 'blocked', `${info.state} ${problem ?? ''}`);
      for (const name of Object.keys(routes) as RouteName[]) {
        // Other hosts are in no state of this machine.
        if (['engineStop', 'engineRebuild', ...ofTheHub].includes(name)) continue;
        if (routes[name].method === 'GET') continue;
        assert.equal(await refusal(name), 'state_blocked', name);
      }
      assert.equal(await world.readAt(mine), 'mine');
      assert.deepEqual(await inventory(), found);
      assert.ok(damaged.equals(await readFile(world.engine.paths.state)));

      const both = await Promise.all([client.call('engineRebuild', {}), client.call('engineRebuild', {})]);
      const kept = both.map(({ keptAs }) => keptAs).filter((path) => path !== null);
      assert.equal(kept.length, 1);
      assert.ok(damaged.equals(await readFile(kept[0] ?? '')));
      assert.deepEqual(await world.portrait(), before_);
      assert.equal((await client.call('engineInfo', {})).state, 'ready');
      await world.checkNothingLeft();
      await rm(kept[0] ?? '');
    });
  }

  /** The code with which a route refuses a request that would be good otherwise. */
  async function refusal(name: RouteName): Promise<string> {
    const route = routes[name];
    const bodies: Partial<Record<RouteName, object>> = {
      environmentApply: {
        definition: { members: { db: { engine: 'postgres', retrieval: 'dump', dump: '/x' } } },
      },
      sourceTest: { member: { engine: 'postgres', retrieval: 'dump', dump: '/x' } },
      cloneCreate: { environment },
      cloneProtect: { minutes: null },
      cloneCommit: { message: 'x' },
      cloneRename: { name: 'x' },
      storageMove: { kind: 'clone', object: 'x' },
      cloneBind: { binding: null },
      cloneRead: { member: 'x', statements: [{ text: 'SELECT 1' }] },
      snapshotEdit: { message: 'x' },
      checkoutOpen: { folder: '/x' },
      checkoutAnswer: { branch: 'x', answer: 'none' },
      checkoutEnvFile: { file: null },
      checkoutVariable: { name: 'RAILS_ENV', value: 'test', answer: 'allow' },
    };
    const discovery = await readDiscovery(world.engine.paths.discovery);
    const answer = await ask(discovery, {
      method: route.method,
      path: route.path.replace(':clone', 'feature%2Fa').replace(/:[a-z]+/, 'shop'),
      body: Object.keys(route.body.shape).length === 0 ? undefined : JSON.stringify(bodies[name] ?? {}),
    });
    return answer.code;
  }

  it('is whole after a rebuild also when the damaged state is gone meanwhile', async () => {
    await writeFile(world.engine.paths.state, 'no database');
    for (const file of files().slice(1)) await rm(file, { force: true });
    const { client } = await world.connect();
    assert.equal((await client.call('engineInfo', {})).state, 'blocked');
    await rm(world.engine.paths.state);
    assert.equal((await client.call('engineRebuild', {})).keptAs, null);
    assert.equal((await client.call('engineInfo', {})).state, 'ready');
    assert.deepEqual(await world.portrait(), before_);
    await world.checkNothingLeft();
  });

  it('serves on when the damaged state can not be put aside, and is whole after the next try', async function () {
    // A name on which something is mounted can't be renamed, by nobody.
    if (!world.thin) skipSuite(this, 'mounting needs root');
    const { state } = world.engine.paths;
    await writeFile(state, 'no database');
    for (const file of files().slice(1)) await rm(file, { force: true });
    const { client } = await world.connect();
    const name = 'feature/a';
    execFileSync('mount', ['--bind', state, state]);
    try {
      await assert.rejects(client.call('engineRebuild', {}), /EBUSY/);
      assert.equal((await client.call('engineInfo', {})).state, 'blocked');
      await client.call('overview', {});
      assert.equal(await codeOf(client.call('cloneDestroy', { params: { clone: name } })), 'state_blocked');
    } finally {
      execFileSync('umount', [state]);
    }
    const { keptAs } = await client.call('engineRebuild', {});
    assert.deepEqual(await world.portrait(), before_);
    await world.checkNothingLeft();
    await rm(keptAs ?? '');
  });

  it('tells those who listen to read everything again after a rebuild, and ends their streams', async () => {
    await writeFile(world.engine.paths.state, 'no database');
    for (const file of files().slice(1)) await rm(file, { force: true });
    const { client } = await world.connect();
    const { epoch, seq } = await client.call('overview', {});
    const discovery = await readDiscovery(world.engine.paths.discovery);
    const stream = await openStream(discovery, `/v1/events?epoch=${epoch}&after=${seq}`);
    await client.call('engineRebuild', {});
    assert.match(await stream.ended, /"kind":"resync"/);
    assert.notEqual((await client.call('overview', {})).epoch, epoch);
  });

  it('takes its storage up again when installation.json is lost or damaged', async () => {
    const text = await readFile(world.engine.paths.installation, 'utf8');
    for (const loss of [
      () => rm(world.engine.paths.installation),
      () => writeFile(world.engine.paths.installation, '{'),
    ]) {
      await loss();
      for (const file of files()) await rm(file, { force: true });
      assert.deepEqual(await world.portrait(), before_);
      assert.equal(await readFile(world.engine.paths.installation, 'utf8'), text);
      await world.engine.stop();
    }
  });

  it('never touches what carries no tag of ours', async () => {
    const foreign = [
      join(world.store, 'data', 'someone'),
      join(world.store, 'data', 'data-aaaaaaaaaaaaaaaa'),
    ];
    for (const path of foreign) {
      if (world.thin) execFileSync('btrfs', ['subvolume', 'create', path], { stdio: 'ignore' });
      else await mkdir(path);
      await writeFile(join(path, 'file'), 'theirs');
    }
    const tag = join(world.store, 'tags', 'data-bbbbbbbbbbbbbbbb.json');
    const ours = (await readdir(join(world.store, 'tags')))[0] ?? '';
    const document = JSON.parse(await readFile(join(world.store, 'tags', ours), 'utf8')) as object;
    const other = {
      ...document,
      dataset: 'data-bbbbbbbbbbbbbbbb',
      installation: 'inst-bbbbbbbbbbbbbbbb',
      state: 'doomed',
    };
    await writeFile(tag, JSON.stringify(other));
    await mkdir(join(world.store, 'data', 'data-bbbbbbbbbbbbbbbb'));
    for (const file of files()) await rm(file, { force: true });
    await world.client();
    assert.deepEqual(await world.portrait(), before_);
    for (const path of foreign) assert.equal(await readFile(join(path, 'file'), 'utf8'), 'theirs');
    assert.equal(await readFile(tag, 'utf8'), JSON.stringify(other));
    for (const path of foreign) await rm(path, { recursive: true });
    await rm(tag);
    await rm(join(world.store, 'data', 'data-bbbbbbbbbbbbbbbb'), { recursive: true });
  });

  it('gives clones a new password when the key is lost, and refuses the old one', async () => {
    for (const loss of [
      () => rm(join(world.engine.paths.secrets, 'key')),
      () => truncate(join(world.engine.paths.secrets, 'key'), 5),
    ]) {
      await loss();
      for (const file of files()) await rm(file, { force: true });
      const fresh = await world.connection('feature/a');
      assert.deepEqual({ ...fresh, password: '' }, { ...mine, password: '' });
      assert.notEqual(fresh.password, mine.password);
      assert.equal(await world.readAt(fresh), 'mine');
      await assert.rejects(world.readAt(mine), pg.DatabaseError);
      mine = fresh;
      await world.engine.stop();
      // It is tagged as well: losing the state once more changes nothing.
      for (const file of files()) await rm(file, { force: true });
      assert.deepEqual(await world.connection('feature/a'), mine);
      await world.engine.stop();
    }
  });

  it('keeps the clones when settings are not right, and says what is wrong', async () => {
    await writeFile(world.engine.paths.settings, '{"storage": {"driver": "floppy"}}');
    const { client } = await world.connect();
    const [host] = (await client.call('hostList', {})).items;
    assert.equal(host?.state, 'unusable');
    assert.match(host.problem ?? '', /settings\.json is not valid/);
    assert.equal(await codeOf(client.call('cloneList', {})), 'invalid_file');
    await rm(world.engine.paths.settings);
  });
});
