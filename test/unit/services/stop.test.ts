import assert from 'node:assert/strict';
import type { FakeTree } from '../../../engine/git/fake/fakeGit.ts';
import type { Checkout } from '../../../engine/protocol/entities.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { caller, cloneName, openMemoryEngine, ref, type MemoryEngine } from '../../support/memoryEngine.ts';

const path = '/work/shop';
const alice = { user: 'alice' };

describe('a clone that a person stops', () => {
  let engine: MemoryEngine;
  let tree: FakeTree;

  const stop = (name: string) => engine.done(({ clones }) => clones.stop(ref(name), alice));
  const standing = (name: string) => {
    const { state, stoppedBy, problem, members } = engine.clone(name);
    return [state, stoppedBy, problem, ...members.map((member) => member.state)];
  };
  const stopped = ['stopped', 'alice', null, 'stopped', 'stopped'];
  const ready = ['ready', null, null, 'ready', 'ready'];
  const checkouts = () => engine.life().services.checkouts;
  const show = (): Checkout => {
    const [found] = checkouts().list();
    assert.ok(found !== undefined);
    return found;
  };
  /** What the checkout's port answers: the branch of a clone, or nothing. */
  const answering = (): string | null | undefined => {
    const client = engine.life().endpoints.connect(show().endpoints[0]?.port ?? 0);
    const clone = client?.ask();
    client?.close();
    return engine.store.clones.list().find(({ id }) => id === clone)?.branch;
  };
  const follow = async (): Promise<void> => {
    tree = engine.git.addRepository(path);
    tree.commit();
    await checkouts().open({ folder: path, follow: 'automatic' }, caller);
    await engine.settled();
    assert.equal(answering(), 'main');
  };

  beforeEach(async () => {
    engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'o', users: 'u' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    await engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('a') }, caller),
    );
    await engine.write('a', 'mine');
  });
  afterEach(async () => {
    await engine.settled();
    assert.deepEqual(await engine.violations(), []);
    await engine.close();
  });

  it('is stopped cleanly, keeps its data, and runs again when it is started', async () => {
    const job = await stop('a');
    assert.equal(job.state, 'succeeded');
    assert.deepEqual(standing('a'), stopped);
    assert.equal(engine.runtime.running.size, 0);
    assert.ok(engine.runtime.stops.every(({ mode }) => mode === 'clean'));
    assert.deepEqual(new Set(Object.values(await engine.read('a'))), new Set(['mine']));
    await engine.done(({ clones }) => clones.start(ref('a'), caller));
    assert.deepEqual(standing('a'), ready);
  });

  it('is not brought up by the watch, by an engine that starts, after a reboot or when the state is lost', async () => {
    await stop('a');
    await engine.clock.advance(60_000);
    assert.deepEqual(standing('a'), stopped);
    for (const how of [{}, { reboot: true }, { loseState: true }]) {
      await engine.restart(how);
      await engine.life().services.broughtUp();
      assert.deepEqual(standing('a'), stopped, JSON.stringify(how));
      assert.equal(engine.runtime.running.size, 0);
    }
    await engine.done(({ clones }) => clones.start(ref('a'), caller));
    await engine.restart({ loseState: true });
    assert.deepEqual(standing('a'), ready);
  });

  it('runs after a reset, which is a wish to use it, and stays stopped when it is committed', async () => {
    await stop('a');
    await engine.done(({ clones }) => clones.commit(ref('a'), { message: 'm' }, caller));
    assert.deepEqual(standing('a'), stopped);
    await engine.done(({ clones }) => clones.reset(ref('a'), {}, caller));
    assert.deepEqual(standing('a'), ready);
    await engine.restart({ loseState: true });
    assert.deepEqual(standing('a'), ready);
  });

  it('may have ended by itself before: it is not brought up again then', async () => {
    for (const { dataset } of engine.clone('a').members) engine.runtime.crash(dataset);
    await engine.clock.advance(1000);
    assert.equal(standing('a')[0], 'stopped');
    await stop('a');
    assert.deepEqual(standing('a'), stopped);
  });

  it('is said to be stopped by whoever did it first', async () => {
    await stop('a');
    await engine.done(({ clones }) => clones.stop(ref('a'), caller));
    assert.deepEqual(standing('a'), stopped);
  });

  it('is told as stopping meanwhile, and others wait their turn', async () => {
    const { clones } = engine.life().services;
    const job = clones.stop(ref('a'), alice);
    assert.equal(engine.clone('a').state, 'stopping');
    assert.equal(clones.stop(ref('a'), caller).id, job.id);
    assert.throws(
      () => clones.reset(ref('a'), {}, caller),
      (error) => isFailure(error, 'busy'),
    );
    await engine.life().quiet();
    assert.deepEqual(standing('a'), stopped);
  });

  it('is not started by the engine that was bringing it up when it was stopped', async () => {
    await engine.restart({
      reboot: true,
      async meanwhile(life) {
        assert.deepEqual(standing('a').slice(3), ['starting', 'starting']);
        life.services.clones.stop(ref('a'), alice);
        await life.quiet();
      },
    });
    await engine.life().services.broughtUp();
    assert.deepEqual(standing('a'), stopped);
  });

  describe('and that a branch has', () => {
    beforeEach(follow);

    it('leads nowhere, with who stopped it and what to do, until it is started', async () => {
      await stop('main');
      await engine.settled();
      const { state, reason, next, clone } = show();
      assert.deepEqual(
        [state, reason, next, clone],
        [
          'none',
          'Clone main was stopped by alice.',
          'Start it: thin-clones clone start main',
          engine.clone('main').id,
        ],
      );
      assert.equal(answering(), undefined);
      await checkouts().open({ folder: path }, caller);
      await engine.settled();
      assert.deepEqual(standing('main'), stopped);
      await engine.done(({ clones }) => clones.start(ref('main'), caller));
      await engine.settled();
      assert.equal(answering(), 'main');
      await stop('main');
      await engine.settled();
      assert.deepEqual(standing('main'), stopped);
    });

    it('refuses connections in the turn in which it is being stopped', async () => {
      engine.life().services.clones.stop(ref('main'), alice);
      assert.deepEqual([show().state, show().reason], ['none', 'Clone main is being stopped.']);
      assert.equal(answering(), undefined);
    });

    it('stays stopped when the engine starts again, and runs when HEAD comes back to its branch', async () => {
      await stop('main');
      await engine.settled();
      await engine.restart();
      await engine.settled();
      assert.deepEqual([show().state, ...standing('main')], ['none', ...stopped]);
      tree.checkout('feature/a');
      await engine.settled();
      assert.deepEqual([answering(), ...standing('main')], ['feature/a', ...stopped]);
      tree.checkout('main');
      await engine.settled();
      assert.equal(answering(), 'main');
      assert.deepEqual(standing('main'), ready);
    });

    it('runs when its branch is used', async () => {
      await stop('main');
      await engine.settled();
      await checkouts().use(ref(path), {}, caller);
      await engine.settled();
      assert.equal(answering(), 'main');
    });

    it('runs when it is named for the branch', async () => {
      await stop('a');
      await checkouts().use(ref(path), { clone: ref('a') }, caller);
      await engine.settled();
      assert.deepEqual([answering(), engine.clone('a').branch], ['main', 'main']);
      assert.deepEqual(standing('a'), ready);
    });

    it('starts after it is stopped when HEAD comes to its branch meanwhile', async () => {
      tree.checkout('feature/a');
      await engine.settled();
      engine.life().services.clones.stop(ref('main'), alice);
      tree.checkout('main');
      await engine.settled();
      await engine.settled();
      assert.equal(answering(), 'main');
    });
  });
});
