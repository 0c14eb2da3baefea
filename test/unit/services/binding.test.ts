import assert from 'node:assert/strict';
import { isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import type { Connection, Job } from '../../../engine/protocol/entities.ts';
import { installationIdSchema } from '../../../engine/protocol/ids.ts';
import type { Clones } from '../../../engine/services/clones/clones.ts';
import {
  caller,
  cloneName,
  openMemoryEngine,
  ref,
  snapshotName,
  type MemoryEngine,
} from '../../support/memoryEngine.ts';

const repository = '/work/shop/.git';
const password = 'one for all';
const code =
  (wanted: ErrorCode, text = /./) =>
  (error: unknown): boolean =>
    isFailure(error, wanted) && text.test(error.message);

describe('a clone of a branch', () => {
  let engine: MemoryEngine;
  const clones = (): Clones => engine.life().services.clones;
  const refresh = (name: string) =>
    engine.done(({ environments }) =>
      environments.refresh(ref(name), { name: snapshotName('base') }, caller),
    );
  const make = (
    name: string,
    branch: string | null,
    options: { in?: string; environment?: string; snapshot?: string } = {},
  ): Promise<Job> =>
    clones().create(
      {
        environment: ref(options.environment ?? 'shop'),
        name: cloneName(name),
        ...(options.snapshot === undefined ? {} : { snapshot: ref(options.snapshot) }),
        ...(branch === null ? {} : { binding: { repository: options.in ?? repository, branch }, password }),
      },
      caller,
    );
  const made = (...request: Parameters<typeof make>): Promise<Job> => engine.done(() => make(...request));
  const bind = (name: string, branch: string | null, secret: string | undefined = password): Promise<Job> =>
    engine.done(() =>
      clones().bind(ref(name), branch === null ? null : { repository, branch }, secret, caller),
    );
  const boundTo = (name: string): (string | null)[] => {
    const { repository: of, branch } = engine.clone(name);
    return [of, branch];
  };
  const login = (name: string): Connection => {
    const [found] = clones().connection(ref(name));
    assert.ok(found);
    return found;
  };
  /** As people do it; rejects when the password is wrong. */
  const logIn = async (name: string, secret: string): Promise<void> => {
    const { dataset } = engine.clone(name).members[0] ?? assert.fail();
    const running = [...engine.runtime.running.values()].find(({ identity }) => identity === dataset);
    assert.ok(running);
    const { user, database } = login(name);
    await engine.database.checkLogin(running.spec, { user, password: secret }, database);
  };
  const branchStarts = (): string[] =>
    engine.store.snapshots.list().flatMap(({ origin, name }) => (origin === 'branch' ? [name] : []));
  const begin = async (from: string, name: string): Promise<void> => {
    const request = { message: 'm', name: snapshotName(name), origin: 'branch' as const };
    await engine.done(() => clones().commit(ref(from), request, caller));
  };

  beforeEach(async () => {
    engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'first' });
    await refresh('shop');
  });
  afterEach(async () => {
    await engine.life().quiet();
    assert.deepEqual(await engine.violations(), []);
    await engine.close();
  });

  it('is made once, however many ask for it at once', async () => {
    const jobs = await Promise.all([make('a', 'main'), make('a-2', 'main'), make('a-3', 'main')]);
    assert.equal(new Set(jobs.map(({ id }) => id)).size, 1);
    await engine.life().quiet();
    assert.equal(engine.store.clones.list().length, 1);
  });

  it('is refused a second time, with the name of the one that is there', async () => {
    await made('a', 'main');
    await assert.rejects(make('b', 'main'), code('binding_taken', /a\./));
    assert.equal(engine.store.clones.list().length, 1);
  });

  it('is another one in another repository and in another environment', async () => {
    engine.declare('other', { orders: 'x' });
    await refresh('other');
    await made('a', 'main');
    await made('b', 'main', { in: '/work/other/.git' });
    await made('c', 'main', { environment: 'other' });
    assert.equal(engine.store.clones.list().length, 3);
  });

  it('can be made again when the first one has gone or was not made', async () => {
    const job = await make('a', 'main');
    engine.life().context.runner.cancel(job.id);
    await engine.life().quiet();
    await made('a', 'main');
    await engine.done(() => clones().destroy(ref('a'), caller));
    await made('a', 'main');
  });

  it('has the password that it was made with, also after its state was lost', async () => {
    await made('a', 'main');
    await made('b', 'feature');
    for (const name of ['a', 'b']) {
      assert.equal(login(name).password, password);
      await logIn(name, password);
    }
    await engine.restart({ loseState: true });
    assert.deepEqual(boundTo('b'), [repository, 'feature']);
    await logIn('b', password);
  });

  it('keeps port, data and server when it is bound, and takes the password of its repository', async () => {
    await made('a', null);
    await engine.write('a', 'mine');
    const before = login('a');
    await bind('a', 'main');
    assert.deepEqual(boundTo('a'), [repository, 'main']);
    assert.deepEqual(login('a'), { ...before, password });
    await logIn('a', password);
    await assert.rejects(logIn('a', before.password));
    assert.deepEqual(await engine.read('a'), { orders: 'mine' });
    assert.equal(engine.runtime.stops.length, 0);
    await engine.restart({ loseState: true });
    assert.deepEqual(boundTo('a'), [repository, 'main']);
    await logIn('a', password);
  });

  it('takes the password when it starts, if its server was stopped at the binding', async () => {
    await made('a', null);
    engine.runtime.crash(engine.clone('a').members[0]?.dataset ?? '');
    await engine.clock.advance(1000);
    await bind('a', 'main');
    assert.equal(engine.clone('a').state, 'stopped');
    assert.equal(engine.runtime.running.size, 0);
    await engine.done(() => clones().start(ref('a'), caller));
    await logIn('a', password);
  });

  it('leaves its branch to another one when it is unbound, and keeps its password', async () => {
    await made('a', 'main');
    await made('b', null);
    assert.throws(
      () => clones().bind(ref('b'), { repository, branch: 'main' }, password, caller),
      code('binding_taken', /a\./),
    );
    await bind('a', null, undefined);
    assert.deepEqual(boundTo('a'), [null, null]);
    await logIn('a', password);
    await bind('b', 'main');
    assert.deepEqual(boundTo('b'), [repository, 'main']);
    await engine.restart({ loseState: true });
    assert.deepEqual(boundTo('a'), [null, null]);
  });

  it('that another machine bound is its own for that machine alone, also after the state was lost', async () => {
    const installation = installationIdSchema.parse('inst-bbbbbbbbbbbbbbbb');
    const secret = 'of the other machine';
    await engine.done(() =>
      clones().create(
        {
          ...{ environment: ref('shop'), name: cloneName('theirs'), password: secret },
          binding: { installation, repository, branch: 'main' },
        },
        caller,
      ),
    );
    await made('ours', 'main');
    await assert.rejects(made('again', 'main'), code('binding_taken', /ours/));
    await assert.rejects(
      engine.done(() =>
        clones().bind(ref('ours'), { installation, repository, branch: 'main' }, undefined, caller),
      ),
      code('binding_taken', /theirs/),
    );
    await engine.restart({ loseState: true });
    assert.equal(engine.clone('theirs').installation, installation);
    assert.equal(engine.clone('ours').installation, null);
    await logIn('theirs', secret);
    await logIn('ours', password);
    // A working tree at that path of this machine gets neither their clone nor their password.
    await engine.done(() => clones().destroy(ref('ours'), caller));
    const tree = engine.git.addRepository('/work/shop');
    tree.commit();
    const { checkouts, cleanUp } = engine.life().services;
    await checkouts.open({ folder: '/work/shop', follow: 'automatic' }, caller);
    await engine.settled();
    const [own] = await checkouts.connection(ref('/work/shop'));
    assert.notEqual(own?.password, secret);
    assert.equal(checkouts.list()[0]?.clone, engine.clone('main').id);
    tree.checkout('other');
    await engine.settled();
    tree.deleteBranch('main');
    assert.deepEqual(
      (await cleanUp.proposals()).map(({ name }) => name as string),
      ['main'],
    );
  });

  it('is not bound while a job works on it, and a branch that gets a clone gets no other', async () => {
    await made('a', null);
    const reset = clones().reset(ref('a'), {}, caller);
    const to = { repository, branch: 'main' };
    assert.throws(() => clones().bind(ref('a'), to, password, caller), code('busy'));
    await engine.life().ended(reset);
    const create = await make('b', 'main');
    assert.throws(() => clones().bind(ref('a'), to, password, caller), code('binding_taken'));
    await engine.life().ended(create);
    const both = ['a', 'b'] as const;
    await made('c', null);
    const binding = clones().bind(ref('c'), { repository, branch: 'feature' }, password, caller);
    await assert.rejects(make('d', 'feature'), code('busy'));
    await engine.life().ended(binding);
    assert.deepEqual(both.map(boundTo), [
      [null, null],
      [repository, 'main'],
    ]);
  });

  for (const port of ['database.ready', 'storage.tag']) {
    it(`is left as it was, and its server running, when ${port} fails at its binding`, async () => {
      await made('a', null);
      const before = login('a');
      engine.life().gate.strike = { nth: 1, how: 'fail', when: 'before', only: port };
      const end = await engine
        .life()
        .ended(clones().bind(ref('a'), { repository, branch: 'main' }, password, caller));
      assert.equal(end?.state, 'failed');
      assert.deepEqual([boundTo('a'), login('a')], [[null, null], before]);
      await logIn('a', before.password);
      assert.equal(engine.runtime.stops.length, 0);
    });
  }

  it('lets the beginning of its branch go with the last clone that stands on it', async () => {
    await made('a', 'main');
    await engine.write('a', 'mine');
    await begin('a', 'start');
    await made('b', 'feature', { snapshot: 'start' });
    await made('c', 'feature-2', { snapshot: 'start' });
    assert.deepEqual(await engine.read('c'), { orders: 'mine' });
    await engine.done(() => clones().destroy(ref('b'), caller));
    assert.deepEqual(branchStarts(), ['start']);
    await engine.done(() => clones().reset(ref('c'), {}, caller));
    assert.deepEqual(branchStarts(), ['start']);
    await engine.done(() => clones().destroy(ref('c'), caller));
    assert.deepEqual(branchStarts(), []);
  });

  it('lets it go when it is reset to another snapshot, and when all that stand on it go at once', async () => {
    await made('a', 'main');
    await begin('a', 'start');
    await made('b', 'feature', { snapshot: 'start' });
    await engine.done(() => clones().reset(ref('b'), { snapshot: ref('base') }, caller));
    assert.deepEqual(branchStarts(), []);
    await begin('a', 'again');
    await engine.done(() => clones().reset(ref('b'), { snapshot: ref('again') }, caller));
    await made('c', 'feature-2', { snapshot: 'again' });
    const ends = ['b', 'c'].map((name) => engine.life().ended(clones().destroy(ref(name), caller)));
    for (const end of await Promise.all(ends)) {
      assert.equal(end?.state, 'succeeded');
      assert.ok(end.tasks.every(({ state }) => state === 'succeeded'));
    }
    assert.deepEqual(branchStarts(), []);
  });

  it('leaves it to another one that is just being reset to it', async () => {
    await made('a', 'main');
    await begin('a', 'start');
    await made('b', 'feature', { snapshot: 'start' });
    await made('c', 'feature-2');
    const jobs = [
      clones().reset(ref('c'), { snapshot: ref('start') }, caller),
      clones().destroy(ref('b'), caller),
    ];
    for (const end of await Promise.all(jobs.map((job) => engine.life().ended(job))))
      assert.equal(end?.state, 'succeeded', end?.error?.message);
    assert.deepEqual(branchStarts(), ['start']);
  });

  it('lets it go when it can not be made, and keeps what somebody committed', async () => {
    await made('a', 'main');
    await begin('a', 'start');
    engine.life().gate.strike = { nth: 1, how: 'fail', when: 'before', only: 'runtime.start' };
    const end = await engine.life().ended(await make('b', 'feature', { snapshot: 'start' }));
    assert.equal(end?.state, 'failed');
    await engine.life().quiet();
    assert.deepEqual(branchStarts(), []);
    const request = { message: 'm', name: snapshotName('mine') };
    await engine.done(() => clones().commit(ref('a'), request, caller));
    await made('b', 'feature', { snapshot: 'mine' });
    await engine.done(() => clones().destroy(ref('b'), caller));
    assert.equal(engine.life().context.catalog.snapshot(ref('mine')).state, 'ready');
  });

  it('is not needed for a beginning to survive the loss of the state, but is at the start after that', async () => {
    await made('a', 'main');
    await begin('a', 'start');
    await engine.restart({ loseState: true });
    assert.deepEqual(branchStarts(), ['start']);
    await made('b', 'feature', { snapshot: 'start' });
    await engine.restart();
    assert.deepEqual(branchStarts(), ['start']);
    await begin('a', 'forgotten');
    await engine.restart();
    assert.deepEqual(branchStarts(), ['start']);
  });
});
