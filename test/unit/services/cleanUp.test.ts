import assert from 'node:assert/strict';
import type { FakeTree } from '../../../engine/git/fake/fakeGit.ts';
import type { Proposal } from '../../../engine/protocol/entities.ts';
import { workspaceSchema } from '../../../engine/protocol/workspace.ts';
import { caller, openMemoryEngine, ref, type MemoryEngine } from '../../support/memoryEngine.ts';

const path = '/work/shop';
const hour = 3_600_000;

describe('cleaning up after branches', () => {
  let engine: MemoryEngine;
  let tree: FakeTree;

  const workspace = (section: object, at = path): void =>
    void engine.workspaces.set(at, workspaceSchema.parse(section));
  const settled = (): Promise<void> => engine.settled();
  const open = async (environment: string, folder = path): Promise<void> => {
    await engine
      .life()
      .services.checkouts.open({ folder, environment: ref(environment), follow: 'automatic' }, caller);
    await settled();
  };
  const bound = (): string[] =>
    engine.store.clones
      .list()
      .map(({ environment, branch }) => `${environment} ${branch}`)
      .sort();
  const proposals = (): Promise<Proposal[]> => engine.life().services.cleanUp.proposals();
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= hour) {
      await engine.clock.pass(Math.min(left, hour) + 1);
      await settled();
    }
  };

  beforeEach(async () => {
    engine = await openMemoryEngine();
    for (const name of ['shop', 'copy']) {
      engine.declare(name, { orders: 'o' });
      await engine.done(({ environments }) => environments.refresh(ref(name), {}, caller));
    }
    tree = engine.git.addRepository(path);
    tree.commit();
  });
  afterEach(async () => {
    await settled();
    assert.deepEqual(await engine.violations(), []);
    await engine.close();
  });

  it('takes the clones of every environment along when their branch gets another name', async () => {
    workspace({ branches: { cleanUpAfter: '1h' } });
    tree.checkout('feature');
    for (const environment of ['shop', 'copy']) await open(environment);
    tree.checkout('main');
    await settled();
    tree.rename('feature', 'better');
    assert.deepEqual(await proposals(), []);
    await settled();
    await pass(4 * hour);
    assert.deepEqual(
      bound().filter((each) => !each.endsWith('main')),
      ['copy better', 'shop better'],
    );
  });

  it('counts a grace period by the time that passed, not by a clock that jumped or an engine that was away', async () => {
    workspace({ branches: { cleanUpAfter: '3h' } });
    tree.checkout('done');
    await open('shop');
    tree.checkout('main');
    await settled();
    tree.deleteBranch('done');
    await proposals();
    engine.clock.jump(30 * 24 * hour);
    assert.equal((await proposals())[0]?.reason, 'deleted');
    await pass(1.5 * hour);
    engine.clock.jump(-60 * 24 * hour);
    await engine.restart();
    await settled();
    assert.deepEqual(bound(), ['shop done', 'shop main']);
    await pass(4 * hour);
    assert.deepEqual(bound(), ['shop main']);
  });

  it('leaves a clone that a checkout leads to, whatever became of its branch', async () => {
    workspace({ branches: { cleanUpAfter: '1h' } });
    tree.checkout('done');
    await open('shop');
    tree.checkout('main');
    await settled();
    tree.deleteBranch('done');
    await engine.life().services.checkouts.use(ref(path), { clone: ref('done') }, caller);
    await settled();
    await pass(4 * hour);
    assert.deepEqual(bound(), ['shop done', 'shop main']);
  });

  it('reads what was asked for when it acts, and takes the longest time that a working tree asks for', async () => {
    workspace({ branches: { cleanUpAfter: '1h' } });
    tree.checkout('done');
    await open('shop');
    tree.checkout('main');
    await settled();
    tree.addWorktree('/work/shop-a', 'feature');
    workspace({ branches: { cleanUpAfter: '9h' } }, '/work/shop-a');
    await open('shop', '/work/shop-a');
    tree.deleteBranch('done');
    await proposals();
    await pass(4 * hour);
    assert.deepEqual(bound(), ['shop done', 'shop feature', 'shop main']);
    // Nothing tells the engine of a file that was saved.
    workspace({});
    workspace({}, '/work/shop-a');
    await pass(10 * hour);
    assert.deepEqual(bound(), ['shop done', 'shop feature', 'shop main']);
  }).timeout(60_000);
});
