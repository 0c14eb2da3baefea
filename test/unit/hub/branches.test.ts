import assert from 'node:assert/strict';
import type { FakeTree } from '../../../engine/git/fake/fakeGit.ts';
import { createClient, type Client } from '../../../engine/protocol/client.ts';
import type { Checkout, Clone } from '../../../engine/protocol/entities.ts';
import { isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import { workspaceSchema } from '../../../engine/protocol/workspace.ts';
import { caller, ref } from '../../support/memoryEngine.ts';
import { inMemory } from '../migrations/checkout.ts';
import { openMemoryApp, token, type MemoryApp } from '../http/memoryApp.ts';
import { openFarHost, withClone, type FarHost } from './farHost.ts';

const path = '/work/shop';

/** A machine whose checkouts use what the other host has. */
interface Laptop {
  app: MemoryApp;
  client: Client;
  tree: FakeTree;
  show(): Promise<Checkout>;
  /** Waits for what follows from HEAD and from what the host tells. */
  until(isSo: (checkout: Checkout) => boolean | Promise<boolean>): Promise<Checkout>;
  /** The clone that answers at the checkout's port. */
  answering(): Promise<string | undefined>;
  close(): Promise<void>;
}

async function openLaptop(far: FarHost, seed: number): Promise<Laptop> {
  const app = await openMemoryApp({ seed, links: { big: far.link } });
  const client = createClient({ transport: app.transport, user: 'tester', token });
  const tree = app.engine.git.addRepository(path);
  tree.commit();
  const show = (): Promise<Checkout> => client.call('checkoutShow', { params: { checkout: path } });
  return {
    ...{ app, client, tree, show },
    async until(isSo) {
      for (;;) {
        await app.engine.clock.advance(50);
        const found = await show();
        if (await isSo(found)) return found;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
    async answering() {
      const { endpoints } = await show();
      const guest = app.engine.life().endpoints.connect(endpoints[0]?.port ?? 0);
      const clone = guest?.ask();
      guest?.close();
      return far.memory.engine.store.clones.list().find(({ id }) => id === clone)?.name;
    },
    async close() {
      app.end();
      await (await app.hub).close();
      await app.engine.close();
    },
  };
}

describe('a branch that follows to a clone of another host', () => {
  let big: FarHost;
  let laptop: Laptop;

  const code =
    (wanted: ErrorCode) =>
    (error: unknown): boolean =>
      isFailure(error, wanted);
  const clonesThere = (): string[] =>
    big.memory.engine.store.clones
      .list()
      .map(({ name }) => name as string)
      .sort();
  const cut = (): void => {
    big.down = 'the cable was cut';
    for (const end of big.open) end.end('the cable was cut');
  };
  const open = (follow: 'automatic' | 'ask' = 'automatic', environment = 'big/shop') =>
    laptop.client.call('checkoutOpen', { body: { folder: path, environment, follow } });
  const isReady = ({ state }: Checkout): boolean => state === 'ready';
  const shownHost = () => laptop.client.call('hostShow', { params: { host: 'big' } });
  const shown = async (name: string): Promise<Clone> =>
    laptop.client.call('cloneShow', { params: { clone: `big/${name}` } });

  beforeEach(async () => {
    big = await openFarHost('big', 2);
    await withClone(big.memory, 'shop', 'there');
    laptop = await openLaptop(big, 1);
    const hosts = async () => (await laptop.client.call('hostList', {})).items;
    while (!(await hosts()).some(({ name, state }) => name === 'big' && state === 'ready'))
      await new Promise((resolve) => setTimeout(resolve, 2));
  });
  afterEach(async () => {
    await laptop.close();
    await big.close();
  });

  it('has its clone made there, and leads there and back by the same port, user and password', async () => {
    await open();
    const first = await laptop.until(isReady);
    assert.deepEqual([first.environment, first.key], ['big/shop', 'main']);
    const login = (await laptop.client.call('checkoutConnection', { params: { checkout: path } })).items;
    assert.equal(await laptop.answering(), 'main');
    laptop.tree.checkout('feature/a');
    await laptop.until(({ state, key }) => state === 'ready' && key === 'feature/a');
    assert.equal(await laptop.answering(), 'feature/a');
    laptop.tree.checkout('main');
    await laptop.until(({ state, key }) => state === 'ready' && key === 'main');
    assert.equal(await laptop.answering(), 'main');
    assert.deepEqual(
      (await laptop.client.call('checkoutConnection', { params: { checkout: path } })).items,
      login,
    );
    const [, ...others] = login;
    assert.deepEqual(others, []);
    // Its server knows this login, and the port of this machine is not the one there.
    const { services } = big.memory.engine.life();
    assert.equal(services.clones.connection(ref('main'))[0]?.password, login[0]?.password);
    assert.deepEqual(clonesThere(), ['feature/a', 'main', 'there']);
    assert.deepEqual(laptop.app.engine.store.clones.list(), []);
    const { installation, repository, branch, members } = await shown('feature/a');
    assert.deepEqual(
      [installation, repository, branch],
      [laptop.app.engine.life().context.installation, `${path}/.git`, 'feature/a'],
    );
    assert.deepEqual(
      members.map(({ host }) => host),
      ['big'],
    );
  });

  it('asks, takes the answer, resets, lends and unbinds as it does here', async () => {
    await open('ask');
    const { question } = await laptop.until(({ state }) => state === 'asking');
    assert.deepEqual(question, { branch: 'main', key: 'main', from: 'latest' });
    await laptop.client.call('checkoutAnswer', {
      params: { checkout: path },
      body: { branch: 'main', answer: 'create' },
    });
    await laptop.until(isReady);
    await big.memory.engine.write('main', 'broken');
    const { job } = await laptop.client.call('cloneReset', { params: { clone: 'big/main' } });
    await big.memory.engine.life().ended(job);
    await laptop.until(isReady);
    assert.deepEqual(await big.memory.engine.read('main'), { orders: 'first' });
    assert.equal(await laptop.answering(), 'main');

    const use = (body: { clone?: string }) =>
      laptop.client.call('checkoutUse', { params: { checkout: path }, body: body });
    await use({ clone: 'big/there' });
    await laptop.until(isReady);
    assert.equal(await laptop.answering(), 'there');
    assert.equal(big.memory.engine.clone('main').branch, null);
    await laptop.client.call('checkoutUnbind', { params: { checkout: path } });
    await laptop.until(({ state }) => state === 'none');
    assert.equal(big.memory.engine.clone('there').branch, null);
    const used = await use({});
    assert.equal(used.job?.environment, 'big/shop');
    await laptop.until(isReady);
    assert.equal(await laptop.answering(), 'main_x_2');
    await assert.rejects(use({ clone: 'nowhere' }), code('not_found'));
  });

  it("starts from another branch's present state, and takes the clone of a renamed branch along", async () => {
    await open();
    await laptop.until(isReady);
    await big.memory.engine.write('main', 'changed');
    laptop.app.engine.workspaces.set(
      path,
      workspaceSchema.parse({ follow: 'automatic', branches: { from: { 'feature/*': 'main' } } }),
    );
    laptop.tree.checkout('feature/a');
    const { clone } = await laptop.until(({ state, key }) => state === 'ready' && key === 'feature/a');
    assert.deepEqual(await big.memory.engine.read('feature/a'), { orders: 'changed' });
    laptop.tree.rename('feature/a', 'feature/b');
    const renamed = await laptop.until(({ state, key }) => state === 'ready' && key === 'feature/b');
    assert.equal(renamed.clone, clone);
    assert.equal(big.memory.engine.clone('feature/a').branch, 'feature/b');
  });

  it('says which host is not reached, keeps its port, and is back by itself with what was asked for meanwhile', async () => {
    await open();
    const before = await laptop.until(isReady);
    cut();
    const away = await laptop.until(({ state }) => state === 'none');
    assert.equal(away.reason, "Host big can't be reached: the cable was cut");
    assert.deepEqual([away.clone, away.endpoints], [before.clone, before.endpoints]);
    const target = laptop.app.engine
      .life()
      .endpoints.listening.get(away.endpoints[0]?.port ?? 0)
      ?.target();
    assert.ok(target?.kind === 'clone' && target.far !== undefined);
    assert.equal(target.far.problem()?.reason, away.reason);
    laptop.tree.checkout('feature/a');
    const waiting = await laptop.until(({ key }) => key === 'feature/a');
    assert.deepEqual([waiting.state, waiting.reason], ['none', away.reason]);
    assert.deepEqual(
      laptop.app.engine
        .life()
        .endpoints.listening.get(waiting.endpoints[0]?.port ?? 0)
        ?.target(),
      {
        kind: 'none',
        reason: away.reason,
        next: waiting.next,
      },
    );
    big.down = undefined;
    await laptop.until(({ state, key }) => state === 'ready' && key === 'feature/a');
    assert.equal(await laptop.answering(), 'feature/a');
    assert.equal(target.far.problem(), undefined);
  });

  it('is another one for each machine, also of one path, one branch and one name', async () => {
    const other = await openLaptop(big, 5);
    try {
      await open();
      await laptop.until(isReady);
      await other.client.call('checkoutOpen', {
        body: { folder: path, environment: 'big/shop', follow: 'automatic' },
      });
      await other.until(isReady);
      assert.deepEqual(clonesThere(), ['main', 'main_x_2', 'there']);
      assert.equal(await laptop.answering(), 'main');
      assert.equal(await other.answering(), 'main_x_2');
      await assert.rejects(
        laptop.client.call('checkoutUse', { params: { checkout: path }, body: { clone: 'big/main_x_2' } }),
        (error: unknown) => {
          assert.ok(isFailure(error, 'clone_bound_elsewhere'));
          assert.match(error.message, /on another machine/);
          return true;
        },
      );
      // The engine there has neither for its own, whatever repository lies at that path there.
      const own = big.memory.engine.git.addRepository(path);
      own.commit();
      await big.memory.engine.life().services.checkouts.open({ folder: path, follow: 'automatic' }, caller);
      await big.memory.engine.settled();
      assert.deepEqual(clonesThere(), ['main', 'main_x_2', 'main_x_3', 'there']);
      assert.deepEqual(await big.memory.engine.life().services.cleanUp.proposals(), []);
    } finally {
      await other.close();
    }
  });

  it('proposes its own clones there for the clean-up, which goes by them, and takes renamed ones along', async () => {
    await open();
    await laptop.until(isReady);
    for (const branch of ['done', 'old']) {
      laptop.tree.checkout(branch);
      await laptop.until(({ state, key }) => state === 'ready' && key === branch);
    }
    laptop.tree.checkout('main');
    await laptop.until(({ state, key }) => state === 'ready' && key === 'main');
    laptop.tree.deleteBranch('done');
    laptop.tree.rename('old', 'new');
    const proposals = async () => (await laptop.client.call('proposalList', {})).items;
    assert.deepEqual(
      (await proposals()).map(({ name, environment, branch, reason, destroyAt }) => [
        ...[name, environment, branch, reason, destroyAt],
      ]),
      [['big/done', 'big/shop', 'done', 'deleted', null]],
    );
    await big.memory.engine.settled();
    assert.equal(big.memory.engine.clone('old').branch, 'new');
    cut();
    await laptop.until(({ state }) => state === 'none');
    assert.deepEqual(await proposals(), [], 'nobody could destroy it');
  });

  it('is destroyed there when its branch is finished for as long as the file says, and nobody else loses one', async () => {
    const branches = { cleanUpAfter: '3h' };
    const file = workspaceSchema.parse({ environment: 'big/shop', follow: 'automatic', branches });
    const other = await openLaptop(big, 4);
    const all = [laptop, other];
    const hour = 3_600_000;
    const pass = async (hours: number): Promise<void> => {
      for (let left = hours; left > 0; left--) {
        await laptop.app.engine.clock.pass(hour + 1);
        await laptop.app.engine.settled();
        await big.memory.engine.settled();
      }
    };
    try {
      for (const each of all) {
        while ((await each.client.call('environmentList', {})).items.length === 0)
          await new Promise((resolve) => setTimeout(resolve, 2));
        each.app.engine.workspaces.set(path, file);
        await each.client.call('checkoutOpen', { body: { folder: path } });
        for (const branch of ['kept', 'done', 'main']) {
          each.tree.checkout(branch);
          await each.until(({ state, key }) => state === 'ready' && key === branch);
        }
      }
      const before = clonesThere();
      assert.deepEqual(before, ['done', 'done_x_2', 'kept', 'kept_x_2', 'main', 'main_x_2', 'there']);
      await laptop.client.call('cloneProtect', {
        params: { clone: 'big/kept' },
        body: { minutes: 'forever' },
      });
      for (const branch of ['done', 'kept']) laptop.tree.deleteBranch(branch);
      const found = (await laptop.client.call('proposalList', {})).items;
      assert.deepEqual(found.map(({ name, destroyAt }) => [name as string, destroyAt !== null]).sort(), [
        ['big/done', true],
        ['big/kept', false],
      ]);
      laptop.app.engine.clock.jump(30 * 24 * hour);
      await pass(1);
      assert.deepEqual(clonesThere(), before);
      // What nobody reaches is not destroyed, and its time does not count.
      cut();
      await laptop.until(async () => (await shownHost()).state === 'unreachable');
      await pass(9);
      big.down = undefined;
      await laptop.client.call('hostReconnect', { params: { host: 'big' }, body: {} });
      assert.deepEqual(clonesThere(), before);
      await pass(4);
      assert.deepEqual(
        clonesThere(),
        before.filter((name) => name !== 'done'),
      );
      const [job] = big.memory.engine.store.jobs.list(1);
      assert.equal(job?.createdBy, 'clean-up of deleted branches');
    } finally {
      await other.close();
    }
  });

  it('is compared with the migrations of the working tree by the engine here', async () => {
    await open();
    await laptop.until(isReady);
    Object.assign(laptop.app.engine.life().context, {
      openCheckout: () => inMemory({ 'db/migrate/1_a.rb': '', 'db/migrate/2_b.rb': '' }),
    });
    big.memory.engine.database.answer = ({ text }) => {
      if (text.includes('pg_attribute'))
        return [{ schema: 'public', name: 'schema_migrations', column: 'version' }];
      return text.includes('pg_class') ? [] : [{ version: '1' }];
    };
    const reports = async () =>
      (await laptop.client.call('checkoutMigrations', { params: { checkout: path } })).items;
    assert.deepEqual(
      (await reports()).map(({ member, tool, state }) => [member, tool, state]),
      [['orders', 'rails', 'behind']],
    );
    cut();
    await laptop.until(({ state }) => state === 'none');
    const [away] = await reports();
    assert.equal(away?.state, 'unknown');
    assert.match(away.message, /Host big can't be reached/);
  });

  it('has its port, user and password again after this machine lost its state', async () => {
    await open();
    await laptop.until(isReady);
    const login = async () =>
      (await laptop.client.call('checkoutConnection', { params: { checkout: path } })).items;
    const before = await login();
    await laptop.client.call('checkoutForget', { params: { checkout: path } });
    await open();
    await laptop.until(isReady);
    assert.deepEqual(await login(), before);
    assert.deepEqual(clonesThere(), ['main', 'there']);
  });

  it('uses what a bare name means: what this machine has, else the only one that another host has', async () => {
    laptop.app.engine.workspaces.set(
      path,
      workspaceSchema.parse({ environment: 'shop', follow: 'automatic' }),
    );
    const opened = await laptop.client.call('checkoutOpen', { body: { folder: path } });
    assert.equal(opened.environment, 'big/shop');
    await laptop.until(isReady);
    laptop.app.engine.declare('shop', { orders: 'mine' });
    const own = await laptop.until(({ environment }) => environment === 'shop');
    assert.notEqual(own.state, 'ready');
    await assert.rejects(open('automatic', 'big/nothing'), code('not_found'));
  });

  it('changes nothing for who works with the only environment of this machine', async () => {
    const opened = () => laptop.client.call('checkoutOpen', { body: { folder: path } });
    assert.equal((await opened()).environment, 'big/shop', 'this machine has none');
    await withClone(laptop.app, 'mine', 'here');
    assert.equal((await opened()).environment, 'mine');
    await withClone(big.memory, 'later', 'another');
    await laptop.until(async () => (await laptop.client.call('environmentList', {})).items.length === 3);
    assert.equal((await opened()).environment, 'mine');
  });

  it('leads there again when its host was forgotten and is added again', async () => {
    await laptop.client.call('checkoutOpen', { body: { folder: path, follow: 'automatic' } });
    await laptop.until(isReady);
    await laptop.client.call('hostRemove', { params: { host: 'big' } });
    const lost = await laptop.until(({ state }) => state === 'none');
    assert.equal(lost.clone, null);
    assert.deepEqual(clonesThere(), ['main', 'there']);
    assert.deepEqual(laptop.app.engine.store.clones.list(), []);
    await laptop.client.call('hostAdd', { body: { name: 'big', address: 'ssh://big' } });
    await laptop.until(isReady);
    assert.equal(await laptop.answering(), 'main');
    assert.deepEqual(clonesThere(), ['main', 'there']);
  });

  it('is refused its answer when the engine there says that it works on what is here', async () => {
    await withClone(laptop.app, 'mine', 'here');
    const [mine] = laptop.app.engine.store.jobs.list(1);
    assert.ok(mine);
    const there = big.memory.engine.life().services.clones;
    there.create = async () =>
      ({ ...big.memory.engine.life().context.runner.list(1)[0], id: mine.id }) as never;
    await open();
    const { reason } = await laptop.until(({ state }) => state === 'failed');
    assert.match(reason ?? '', /job of another host/);
  });
});
