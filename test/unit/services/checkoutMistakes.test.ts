import assert from 'node:assert/strict';
import type { FakeTree } from '../../../engine/git/fake/fakeGit.ts';
import type { Checkout } from '../../../engine/protocol/entities.ts';
import { isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import { workspaceSchema } from '../../../engine/protocol/workspace.ts';
import { caller, cloneName, openMemoryEngine, ref, type MemoryEngine } from '../../support/memoryEngine.ts';

const path = '/work/shop';
const linked = '/work/shop-a';

describe('a checkout never comes to the data of another', () => {
  let engine: MemoryEngine;
  let tree: FakeTree;

  const checkouts = () => engine.life().services.checkouts;
  const workspace = (section: object, at = path): void =>
    void engine.workspaces.set(at, workspaceSchema.parse(section));
  const settled = (): Promise<void> => engine.settled();
  const open = async (folder = path, environment: string | null = 'shop'): Promise<void> => {
    const named = environment === null ? {} : { environment: ref(environment) };
    await checkouts().open({ folder, ...named, follow: 'automatic' }, caller);
    await settled();
  };
  const show = (at = path): Checkout => {
    const found = checkouts()
      .list()
      .find((each) => each.path === at);
    assert.ok(found, at);
    return found;
  };
  const make = (name: string) =>
    engine.done(({ clones }) => clones.create({ environment: ref('shop'), name: cloneName(name) }, caller));
  const refusal = async (code: ErrorCode, work: () => Promise<unknown>): Promise<void> => {
    await assert.rejects(work, (error) => isFailure(error, code));
  };
  const bound = (): [string, string | null][] =>
    engine.store.clones.list().map(({ name, branch }) => [name, branch]);

  beforeEach(async () => {
    engine = await openMemoryEngine();
    for (const name of ['shop', 'copy']) {
      engine.declare(name, { orders: `of ${name}` });
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

  it('when another repository makes a working tree where its one was', async () => {
    tree.addWorktree(linked, 'feature');
    await open(linked);
    await engine.write('feature', 'of the first repository');
    const other = engine.git.addRepository('/work/other');
    other.commit();
    tree.removeWorktree(linked);
    const again = other.addWorktree(linked, 'feature');
    await settled();
    assert.equal(show(linked).state, 'none');
    assert.match(show(linked).reason ?? '', /another repository now/);
    await engine.restart();
    await settled();
    assert.equal(show(linked).state, 'none');

    await open(linked);
    assert.equal(show(linked).repository, '/work/other/.git');
    assert.equal(show(linked).state, 'ready');
    const clone = engine.store.clones.list().find(({ id }) => id === show(linked).clone);
    assert.equal(clone?.repository, '/work/other/.git');
    assert.deepEqual(await engine.read(clone.name), { orders: 'of shop' });
    again.checkout('next');
    await settled();
    assert.equal(show(linked).key, 'next');
  });

  it('when the clone that is to take the place of its own is busy', async () => {
    await open();
    await make('mine');
    const job = engine.life().services.clones.reset(ref('mine'), {}, caller);
    await refusal('busy', () => checkouts().use(ref(path), { clone: ref('mine') }, caller));
    await engine.life().ended(job);
    await settled();
    assert.deepEqual(bound().sort(), [
      ['main', 'main'],
      ['mine', null],
    ]);
    await checkouts().use(ref(path), { clone: ref('mine') }, caller);
    await settled();
    assert.deepEqual(bound().sort(), [
      ['main', null],
      ['mine', 'main'],
    ]);
  });

  it('when the branch that it is to start from has a clone in another environment too', async () => {
    workspace({ branches: { from: { 'f-*': 'main' } } });
    for (const environment of ['copy', 'shop']) await open(path, environment);
    for (const { name, environment } of engine.store.clones.list())
      await engine.write(name, `changed in ${environment}`);
    for (const environment of ['copy', 'shop']) {
      tree.checkout('main');
      await open(path, environment);
      tree.checkout(`f-${environment}`);
      await settled();
      assert.deepEqual(await engine.read(`f-${environment}`), { orders: `changed in ${environment}` });
    }
  });

  it('when the branch that a person names as the start has no clone', async () => {
    await checkouts().open({ folder: path, environment: ref('shop'), follow: 'ask' }, caller);
    await refusal('no_clone_for_branch', () => checkouts().use(ref(path), { from: 'gone' }, caller));
    await refusal('no_clone_for_branch', () =>
      checkouts().answer(ref(path), { branch: 'main', answer: 'create', from: 'gone' }),
    );
    await settled();
    assert.deepEqual(bound(), []);
  });

  it('and its logins last: all working trees of a repository have one password, however they were opened', async () => {
    for (const at of [path, linked]) workspace({ environment: 'shop', branches: { shared: ['**'] } }, at);
    await checkouts().open({ folder: path }, caller);
    tree.addWorktree(linked, 'feature');
    await open(linked);
    await open(path, null);
    const passwords = new Set<string | undefined>();
    for (const at of [path, linked]) passwords.add((await checkouts().connection(ref(at)))[0]?.password);
    assert.equal(passwords.size, 1);
    assert.equal(show().clone, show(linked).clone);
  });

  it('and its logins last: a clone that it uses is not lent to another repository', async () => {
    const other = engine.git.addRepository('/work/other');
    other.commit();
    await make('mine');
    for (const each of [tree, other]) each.detach();
    for (const at of [path, '/work/other']) await open(at);
    await checkouts().use(ref(path), { clone: ref('mine') }, caller);
    await refusal('clone_lent', () => checkouts().use(ref('/work/other'), { clone: ref('mine') }, caller));
    await settled();
    assert.equal(show().state, 'ready');
    tree.checkout('main');
    await settled();
    await checkouts().use(ref('/work/other'), { clone: ref('mine') }, caller);
    await settled();
    assert.equal(show('/work/other').state, 'ready');
  });

  it('and is forgotten at once while its clone is still being made', async () => {
    const { storage } = engine;
    const clone = storage.clone.bind(storage);
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    storage.clone = async (...request) => {
      await held;
      return clone(...request);
    };
    await engine.restart();
    await checkouts().open({ folder: path, environment: ref('shop'), follow: 'automatic' }, caller);
    await engine.clock.advance(1000);
    assert.equal(show().state, 'switching');
    assert.notEqual(show().job, null);
    await checkouts().forget(ref(path));
    assert.deepEqual(checkouts().list(), []);
    assert.equal(engine.life().endpoints.listening.size, 0);
    goOn();
    await settled();
    assert.deepEqual(bound(), [['main', 'main']]);
  });
});
