import assert from 'node:assert/strict';
import { fail, isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import {
  caller,
  cloneName,
  environmentName,
  member,
  openMemoryEngine,
  ref,
  snapshotName,
  type MemoryEngine,
} from '../../support/memoryEngine.ts';

const code =
  (wanted: ErrorCode) =>
  (error: unknown): boolean =>
    isFailure(error, wanted);

describe('the loop of an environment in memory', () => {
  let engine: MemoryEngine;
  const refresh = (name = 'shop') =>
    engine.done(({ environments }) => environments.refresh(ref(name), {}, caller));
  const create = (name: string, environment = 'shop') =>
    engine.done(({ clones }) =>
      clones.create({ environment: ref(environment), name: cloneName(name) }, caller),
    );
  const services = () => engine.life().services;

  beforeEach(async () => {
    engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'first' });
  });
  afterEach(async () => {
    await engine.life().quiet();
    assert.deepEqual(await engine.violations(), []);
    await engine.close();
  });

  it('goes from a source to a clone, which is changed, reset, committed and destroyed', async () => {
    await refresh();
    await create('feature/a');
    assert.deepEqual(await engine.read('feature/a'), { orders: 'first' });
    await engine.write('feature/a', 'ruined');
    await engine.done(({ clones }) => clones.reset(ref('feature/a'), {}, caller));
    assert.deepEqual(await engine.read('feature/a'), { orders: 'first' });
    await engine.write('feature/a', 'better');
    await engine.done(({ clones }) =>
      clones.commit(ref('feature/a'), { message: 'migrated', name: snapshotName('migrated') }, caller),
    );
    await engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('b'), snapshot: ref('migrated') }, caller),
    );
    assert.deepEqual(await engine.read('b'), { orders: 'better' });
    await engine.done(({ clones }) => clones.destroy(ref('feature/a'), caller));
    assert.deepEqual(
      engine.store.clones.list().map(({ name }) => name as string),
      ['b'],
    );
  });

  it('knows what was changed in a clone since it was made or reset', async () => {
    const changed = async () => {
      const { counted, tables } = await services().clones.changes(ref('a'));
      return { counted, tables: tables.map(({ member: of, name }) => `${of}.${name}`) };
    };
    await refresh();
    await create('a');
    assert.deepEqual(await changed(), { counted: 'all', tables: [] });
    await engine.write('a', 'ruined');
    assert.deepEqual(await changed(), { counted: 'all', tables: ['orders.texts'] });
    await engine.done(({ clones }) => clones.reset(ref('a'), {}, caller));
    assert.deepEqual(await changed(), { counted: 'all', tables: [] });
  });

  it('tells what a clone that runs defines', async () => {
    await refresh();
    await create('a');
    const [orders] = await services().clones.definitions(ref('a'));
    assert.match(orders?.text ?? '', /CREATE TABLE/);
    for (const { dataset } of engine.clone('a').members) engine.runtime.crash(dataset);
    await engine.clock.advance(1000);
    await assert.rejects(services().clones.definitions(ref('a')), code('clone_not_ready'));
  });

  it('makes a clone of a clone as it is, and keeps what it began with as long as a clone stands on it', async () => {
    await refresh();
    await create('a');
    await engine.write('a', 'mine');
    const copy = (name: string) =>
      engine.done(({ clones }) => clones.copy(ref('a'), { name: cloneName(name) }, caller));
    await Promise.all([copy('b'), copy('b')]);
    assert.deepEqual(await engine.read('b'), { orders: 'mine' });
    await engine.write('b', 'other');
    assert.deepEqual(await engine.read('a'), { orders: 'mine' });
    await engine.done(({ clones }) => clones.reset(ref('b'), {}, caller));
    assert.deepEqual(await engine.read('b'), { orders: 'mine' });
    await assert.rejects(copy('b'), code('name_taken'));
    assert.equal(engine.store.snapshots.list().length, 2);
    await engine.done(({ clones }) => clones.destroy(ref('b'), caller));
    assert.deepEqual(
      engine.store.snapshots.list().map(({ origin }) => origin),
      ['refresh'],
    );
  });

  for (const name of ['b', undefined]) {
    it(`makes one clone of a clone ${name === undefined ? 'without a name' : 'of a name'} for one key of idempotency`, async () => {
      await refresh();
      await create('a');
      const idempotencyKey = { key: 'k', request: 'copy' };
      const copy = () =>
        engine.done(({ clones }) =>
          clones.copy(
            ref('a'),
            { name: name === undefined ? undefined : cloneName(name) },
            { ...caller, idempotencyKey },
          ),
        );
      const made = await Promise.all([copy(), copy()]);
      assert.deepEqual(
        made.map(({ type, object }) => [type, object.name]),
        Array.from({ length: 2 }, () => ['clone.create', name ?? 'clone-1']),
      );
      assert.deepEqual(
        [engine.store.clones.list().length, engine.store.snapshots.list().map(({ origin }) => origin)],
        [2, ['branch', 'refresh']],
      );
    });
  }

  it('renames a clone, whose binding, login and data stay, and finds it by the new name when the state is lost', async () => {
    await refresh();
    await create('a');
    await create('other');
    await engine.write('a', 'mine');
    const to = { repository: '/work/shop/.git', branch: 'feature' };
    await engine.done(({ clones }) => clones.bind(ref('a'), to, 'shared', caller));
    const before = { ...engine.clone('a'), usedAt: null, countedAt: null };
    const login = services().clones.connection(ref('a'));
    const rename = (from: string, name: string) =>
      engine.done(({ clones }) => clones.rename(ref(from), cloneName(name), caller));
    await assert.rejects(rename('a', 'other'), code('name_taken'));
    await rename('a', 'a');
    await rename('a', 'renamed/b');
    assert.throws(() => engine.clone('a'));
    assert.deepEqual(
      { ...engine.clone('renamed/b'), usedAt: null, countedAt: null },
      { ...before, name: 'renamed/b' },
    );
    await create('a');
    await rename('a', 'clone-1');
    await engine.restart({ loseState: true });
    assert.deepEqual(
      engine.store.clones.list().map(({ name, branch }) => [name, branch]),
      [
        ['clone-1', null],
        ['other', null],
        ['renamed/b', 'feature'],
      ],
    );
    assert.deepEqual(await engine.read('renamed/b'), { orders: 'mine' });
    assert.deepEqual(services().clones.connection(ref('renamed/b')), login);
  });

  it('renames a stopped clone, and none that a job works on', async () => {
    await refresh();
    await create('a');
    const reset = services().clones.reset(ref('a'), {}, caller);
    assert.throws(() => services().clones.rename(ref('a'), cloneName('b'), caller), code('busy'));
    await engine.life().ended(reset);
    for (const { dataset } of engine.clone('a').members) engine.runtime.crash(dataset);
    await engine.clock.advance(1000);
    await engine.done(({ clones }) => clones.rename(ref('a'), cloneName('b'), caller));
    assert.equal(engine.clone('b').state, 'stopped');
  });

  it('renames a clone once for one key of idempotency', async () => {
    await refresh();
    await create('a');
    const idempotencyKey = { key: 'k', request: 'rename' };
    const rename = () =>
      engine.done(({ clones }) => clones.rename(ref('a'), cloneName('a'), { ...caller, idempotencyKey }));
    assert.equal((await rename()).id, (await rename()).id);
  });

  it('edits the name and the message of a snapshot, and finds them when the state is lost', async () => {
    await refresh();
    await create('a');
    const commit = { message: 'm', name: snapshotName('c') };
    await engine.done(({ clones }) => clones.commit(ref('a'), commit, caller));
    const edit = (from: string, request: { name?: string; message?: string | null }) =>
      engine.done(({ environments }) =>
        environments.editSnapshot(
          ref(from),
          {
            message: request.message,
            name: request.name === undefined ? undefined : snapshotName(request.name),
          },
          caller,
        ),
      );
    const [committed, refreshed] = engine.store.snapshots.list();
    await assert.rejects(edit('c', { name: refreshed?.name ?? '' }), code('name_taken'));
    await edit('c', { name: 'd' });
    await edit('d', { message: 'orders migrated' });
    await edit(refreshed?.name ?? '', { message: 'nightly' });
    const wanted = [
      { ...committed, name: 'd', message: 'orders migrated' },
      { ...refreshed, message: 'nightly' },
    ];
    assert.deepEqual(engine.store.snapshots.list(), wanted);
    await engine.restart({ loseState: true });
    const found = engine.store.snapshots.list();
    assert.deepEqual(
      found.map(({ name, message }) => [name, message]),
      wanted.map(({ name, message }) => [name, message]),
    );
    await edit('d', { message: null });
    assert.equal(engine.life().context.catalog.snapshot(ref('d')).message, null);
  });

  it('lets no two snapshots get one name, also when a commit takes it while a rename is at work', async () => {
    await refresh();
    await create('a');
    const [refreshed] = engine.store.snapshots.list();
    const name = snapshotName('c');
    const rename = services().environments.editSnapshot(ref(refreshed?.id ?? ''), { name }, caller);
    const commit = services().clones.commit(ref('a'), { message: 'm', name }, caller);
    const [renamed, committed] = [await engine.life().ended(rename), await engine.life().ended(commit)];
    assert.deepEqual([renamed?.error?.code, committed?.state], ['name_taken', 'succeeded']);
    await engine.restart({ loseState: true });
    assert.deepEqual(
      engine.store.snapshots.list().map((each) => each.name),
      ['c', refreshed?.name],
    );
  });

  it('keeps nothing for a clone of a clone that can not be made', async () => {
    await refresh();
    await create('a');
    engine.life().gate.strike = { nth: 2, how: 'fail', when: 'before', only: 'storage.clone' };
    await assert.rejects(
      engine.done(({ clones }) => clones.copy(ref('a'), { name: cloneName('b') }, caller)),
    );
    await engine.life().quiet();
    assert.deepEqual(
      [engine.store.snapshots.list().length, engine.store.clones.list().map(({ name }) => name as string)],
      [1, ['a']],
    );
  });

  it('keeps port, user and password of a clone over a reset', async () => {
    await refresh();
    await create('a');
    const before = services().clones.connection(ref('a'));
    await engine.done(({ clones }) => clones.reset(ref('a'), {}, caller));
    assert.deepEqual(services().clones.connection(ref('a')), before);
  });

  it('does not bring a destroyed clone back for an old copy that its reset could not remove', async () => {
    await refresh();
    await create('a');
    engine.life().gate.strike = { nth: 1, how: 'fail', when: 'before', only: 'storage.destroy' };
    await engine.done(({ clones }) => clones.reset(ref('a'), {}, caller));
    assert.equal((await engine.storage.list()).length, 3);
    await engine.done(({ clones }) => clones.destroy(ref('a'), caller));
    const { report } = await engine.restart();
    assert.deepEqual(report.adopted, { snapshots: 0, clones: 0 });
  });

  it('keeps the present state as a named snapshot before a reset', async () => {
    await refresh();
    await create('a');
    await engine.write('a', 'worth keeping');
    await engine.done(({ clones }) => clones.reset(ref('a'), { keepAs: snapshotName('kept') }, caller));
    assert.deepEqual(await engine.read('a'), { orders: 'first' });
    await engine.done(({ clones }) => clones.reset(ref('a'), { snapshot: ref('kept') }, caller));
    assert.deepEqual(await engine.read('a'), { orders: 'worth keeping' });
    assert.equal(engine.life().context.catalog.snapshot(ref('kept')).origin, 'kept');
  });

  it('leaves existing clones alone when it refreshes, and clones the newest snapshot from then on', async () => {
    await refresh();
    await create('old');
    engine.declare('shop', { orders: 'second' });
    await refresh();
    await create('new');
    assert.deepEqual(await engine.read('old'), { orders: 'first' });
    assert.deepEqual(await engine.read('new'), { orders: 'second' });
    await engine.done(({ clones }) => clones.reset(ref('old'), { snapshot: ref('latest') }, caller));
    assert.deepEqual(await engine.read('old'), { orders: 'second' });
  });

  it('takes the newest snapshot of a refresh for the latest, not one that was made of a clone later', async () => {
    await refresh();
    await create('a');
    await engine.write('a', 'mine');
    for (const origin of ['commit', 'branch'] as const)
      await engine.done(({ clones }) => clones.commit(ref('a'), { message: 'm', origin }, caller));
    const latest = () => engine.life().context.catalog.latestSnapshot(environmentName('shop'));
    assert.equal(latest()?.origin, 'refresh');
    await engine.done(({ clones }) => clones.reset(ref('a'), { snapshot: ref('latest') }, caller));
    assert.deepEqual(await engine.read('a'), { orders: 'first' });
  });

  it('takes what was made last for the latest, and lists jobs as they came, also after the clock was set back', async () => {
    await refresh();
    engine.clock.jump(-24 * 3_600_000);
    engine.database.sources.set('postgresql://reader@source/shop-orders', { text: 'second' });
    const { id } = await refresh();
    assert.equal(engine.store.snapshots.list()[0]?.name, engine.store.jobs.get(id)?.object.name);
    await create('a');
    assert.deepEqual(await engine.read('a'), { orders: 'second' });
    assert.deepEqual(
      engine.store.jobs.list(9).map(({ type }) => type),
      ['clone.create', 'environment.refresh', 'environment.refresh'],
    );
    const gone = engine.store.jobs.prune(2);
    assert.ok(gone.length === 1 && !gone.includes(id));
    const [first, second] = engine.store.snapshots.list();
    await engine.done(({ clones }) => clones.commit(ref('a'), { message: 'kept' }, caller));
    assert.deepEqual(engine.store.snapshots.list().slice(1), [first, second]);
  });

  it('takes a committed snapshot for the latest when no refresh made one, and never the beginning of a branch', async () => {
    await refresh();
    await create('a');
    await engine.done(({ clones }) =>
      clones.commit(ref('a'), { message: 'm', name: snapshotName('c') }, caller),
    );
    await engine.done(({ clones }) => clones.commit(ref('a'), { message: 'm', origin: 'branch' }, caller));
    await engine.done(({ clones }) => clones.reset(ref('a'), { snapshot: ref('c') }, caller));
    const first = engine.life().context.catalog.latestSnapshot(environmentName('shop'));
    await engine.done(({ environments }) => environments.deleteSnapshot(ref(first?.id ?? ''), caller));
    const latest = engine.life().context.catalog.latestSnapshot(environmentName('shop'));
    assert.equal(latest?.name, 'c');
  });

  it('copies a clone with its servers stopped, and starts them again, where the store needs that', async () => {
    await engine.close();
    engine = await openMemoryEngine({ capabilities: { live: false, thin: false } });
    engine.declare('shop', { orders: 'first' });
    await refresh();
    await create('a');
    await engine.write('a', 'changed');
    await engine.done(({ clones }) =>
      clones.commit(ref('a'), { message: 'm', name: snapshotName('c') }, caller),
    );
    assert.equal(engine.clone('a').state, 'ready');
    const [kept] = engine.life().context.catalog.snapshot(ref('c')).members;
    assert.equal(await engine.database.isClean(engine.storage.path(kept?.dataset ?? ('' as never))), true);
  });

  it('refuses to destroy a protected clone, until the protection ends or is taken off', async () => {
    await refresh();
    await create('a');
    await services().clones.protect(ref('a'), 'forever');
    assert.throws(() => services().clones.destroy(ref('a'), caller), code('clone_protected'));
    await services().clones.protect(ref('a'), 30);
    assert.throws(() => services().clones.destroy(ref('a'), caller), code('clone_protected'));
    await engine.clock.pass(31 * 60_000);
    await engine.done(({ clones }) => clones.destroy(ref('a'), caller));
  });

  it('keeps a protection when the engine ends with its answer and the state is lost', async () => {
    await refresh();
    await create('a');
    for (const minutes of ['forever', null, 30, 'forever'] as const) {
      const { protectedUntil } = await services().clones.protect(ref('a'), minutes);
      await engine.restart({ loseState: true });
      assert.equal(engine.clone('a').protectedUntil, protectedUntil);
    }
  });

  it('keeps the last of several protections that were asked for at once', async () => {
    await refresh();
    await create('a');
    const minutes = [30, 'forever', null, 60] as const;
    const all = await Promise.all(minutes.map((each) => services().clones.protect(ref('a'), each)));
    await engine.restart({ loseState: true });
    assert.equal(engine.clone('a').protectedUntil, all.at(-1)?.protectedUntil);
  });

  for (const name of ['reset', 'bind'] as const)
    it(`keeps a protection that was asked for at any moment of a ${name}`, async () => {
      await refresh();
      await create('a');
      let turns = 0;
      for (let isOver = false; !isOver; turns++) {
        const life = engine.life();
        const to = { repository: '/work/shop/.git', branch: `b-${turns}` };
        const { clones } = life.services;
        const job =
          name === 'reset' ? clones.reset(ref('a'), {}, caller) : clones.bind(ref('a'), to, 'pw', caller);
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        isOver = life.context.runner.get(job.id)?.endedAt !== null;
        const { protectedUntil } = await clones.protect(ref('a'), 60 + turns);
        await life.quiet();
        await engine.restart({ loseState: true });
        assert.equal(engine.clone('a').protectedUntil, protectedUntil, `after ${turns} turns`);
        if (name === 'bind') assert.equal(engine.clone('a').branch, to.branch, `after ${turns} turns`);
      }
      assert.ok(turns > 10);
    });

  it('answers a protection that could not be tagged with a warning in the log, and tags it at the next start', async () => {
    await refresh();
    await create('a');
    engine.life().gate.strike = { nth: 1, how: 'fail', when: 'before', only: 'storage.tag' };
    await services().clones.protect(ref('a'), 'forever');
    assert.match(engine.life().log.join('\n'), /a clone could not be tagged/);
    await engine.restart();
    await engine.restart({ loseState: true });
    assert.equal(engine.clone('a').protectedUntil, 'forever');
  });

  it('tags at the next start what the engine did not come to tag before it was killed', async () => {
    await refresh();
    await create('a');
    const { gate } = engine.life();
    gate.strike = { nth: 1, how: 'kill', when: 'before', only: 'storage.tag' };
    await Promise.race([services().clones.protect(ref('a'), 'forever'), gate.killed]);
    assert.ok(gate.isDead());
    await engine.restart();
    await engine.restart({ loseState: true });
    assert.equal(engine.clone('a').protectedUntil, 'forever');
  });

  it('writes a changed definition of an environment on older data at the next start, and nothing after that', async () => {
    await refresh();
    await create('a');
    engine.declare('shop', { orders: 'first' }, { limit: 7 });
    await engine.restart();
    const { gate } = await engine.restart();
    assert.deepEqual(
      gate.calls.filter((name) => name === 'storage.tag'),
      [],
    );
    await engine.restart({ loseState: true });
    assert.equal(engine.life().context.catalog.environment(ref('shop')).definition.clones.limit, 7);
  });

  it('finds every environment, snapshot and clone again from the tags when the state is lost', async () => {
    await refresh();
    await create('a');
    await engine.write('a', 'changed');
    await engine.done(({ clones }) =>
      clones.commit(ref('a'), { message: 'm', name: snapshotName('c') }, caller),
    );
    const before = services().clones.connection(ref('a'));
    const { report } = await engine.restart({ loseState: true });
    assert.deepEqual(report.adopted, { snapshots: 2, clones: 1 });
    assert.deepEqual(services().clones.connection(ref('a')), before);
    assert.deepEqual(await engine.read('a'), { orders: 'changed' });
    assert.equal(engine.life().context.catalog.environment(ref('shop')).name, environmentName('shop'));
  });

  it('starts exactly the clones that should run after the machine went down', async () => {
    await refresh();
    await create('a');
    await create('b');
    await engine.write('a', 'changed');
    await engine.restart({ reboot: true });
    assert.equal(engine.runtime.running.size, 2);
    assert.deepEqual(await engine.read('a'), { orders: 'changed' });
  });

  it('refuses a name that is taken, an unknown one, and a limit that is reached', async () => {
    engine.declare('shop', { orders: 'first' }, { limit: 1 });
    await refresh();
    await create('a');
    await assert.rejects(create('a'), code('name_taken'));
    await assert.rejects(create('b'), code('clone_limit'));
    await assert.rejects(create('b', 'nowhere'), code('not_found'));
    assert.throws(() => services().clones.reset(ref('b'), {}, caller), code('not_found'));
    assert.throws(
      () => services().clones.reset(ref('a'), { snapshot: ref('none') }, caller),
      code('not_found'),
    );
  });

  it('refuses to clone an environment without a snapshot, and a snapshot of another environment', async () => {
    await assert.rejects(create('a'), code('no_snapshot'));
    engine.declare('other', { orders: 'x' });
    await refresh('other');
    await refresh();
    await create('a');
    const [foreign] = engine.store.snapshots
      .list()
      .filter(({ environment }) => environment === environmentName('other'));
    assert.throws(
      () => services().clones.reset(ref('a'), { snapshot: ref(foreign?.id ?? '') }, caller),
      code('snapshot_foreign'),
    );
  });

  it('never deletes a snapshot or an environment that clones stand on', async () => {
    await refresh();
    await create('a');
    const snapshot = engine.clone('a').snapshot;
    assert.throws(
      () => services().environments.deleteSnapshot(ref(snapshot), caller),
      code('snapshot_in_use'),
    );
    assert.throws(() => services().environments.delete(ref('shop'), caller), code('environment_in_use'));
    await engine.done(({ clones }) => clones.destroy(ref('a'), caller));
    await engine.done(({ environments }) => environments.deleteSnapshot(ref(snapshot), caller));
    await engine.done(({ environments }) => environments.delete(ref('shop'), caller));
    assert.deepEqual(await engine.storage.list(), []);
  });

  it('refuses a snapshot whose clone is still being made', async () => {
    await refresh();
    const job = await services().clones.create({ environment: ref('shop'), name: cloneName('a') }, caller);
    const [snapshot] = engine.store.snapshots.list();
    assert.throws(
      () => services().environments.deleteSnapshot(ref(snapshot?.id ?? ''), caller),
      (error) => isFailure(error, 'snapshot_in_use') || isFailure(error, 'busy'),
    );
    await engine.life().ended(job);
  });

  it('answers two windows that reset one clone at once with one job, and refuses a conflicting request', async () => {
    await refresh();
    await create('a');
    const first = services().clones.reset(ref('a'), {}, caller);
    assert.equal(services().clones.reset(ref('a'), {}, { user: 'other window' }).id, first.id);
    assert.throws(() => services().clones.destroy(ref('a'), caller), code('busy'));
    assert.throws(() => services().clones.commit(ref('a'), { message: 'm' }, caller), code('busy'));
    await engine.life().ended(first);
  });

  it('takes another port when a stranger takes the leased one before the start', async () => {
    await refresh();
    const job = await services().clones.create({ environment: ref('shop'), name: cloneName('a') }, caller);
    const leased = engine.clone('a').members[0]?.port ?? 0;
    engine.database.takenPorts.add(leased);
    const end = await engine.life().ended(job);
    assert.equal(end?.state, 'succeeded');
    assert.notEqual(engine.clone('a').members[0]?.port, leased);
  });

  it('never gives the port of a stopped clone to another one', async () => {
    await engine.close();
    engine = await openMemoryEngine({ ports: 3 });
    engine.declare('shop', { orders: 'first' });
    await refresh();
    await create('a');
    const port = engine.clone('a').members[0]?.port;
    engine.runtime.crash(engine.clone('a').members[0]?.dataset ?? '');
    await create('b');
    await create('c');
    assert.equal(engine.clone('b').members[0]?.port === port, false);
    assert.equal(engine.clone('c').members[0]?.port === port, false);
    await engine.done(({ clones }) => clones.start(ref('a'), caller));
  });

  it('makes no snapshot of a source that fails, and tells the exact problem', async () => {
    engine.database.sources.clear();
    const job = services().environments.refresh(ref('shop'), {}, caller);
    const end = await engine.life().ended(job);
    assert.equal(end?.state, 'failed');
    assert.equal(end.error?.code, 'source_refused');
    assert.deepEqual(engine.store.snapshots.list(), []);
    assert.ok(
      engine
        .life()
        .context.runner.lines(job.id, 0)
        .some(({ level }) => level === 'error'),
    );
  });

  it('takes a refresh back when it is canceled', async () => {
    engine.database.hold = new Promise(() => undefined);
    const job = services().environments.refresh(ref('shop'), {}, caller);
    engine.life().context.runner.cancel(job.id);
    const end = await engine.life().ended(job);
    assert.equal(end?.state, 'cancelled');
    assert.deepEqual(engine.store.snapshots.list(), []);
  });

  it('uses a remembered password, and refuses a source whose password is nowhere', async () => {
    const url = 'postgresql://reader@source/secret';
    engine.database.sources.set(url, { text: 'secret data', password: 'right' });
    const definition = {
      host: 'local' as never,
      members: {
        [member('orders')]: { engine: 'postgres', retrieval: 'logical', url, password: { env: 'PW' } },
      },
      clones: {},
    } as never;
    services().environments.apply(environmentName('vault'), { definition });
    assert.throws(
      () => services().environments.refresh(ref('vault'), {}, caller),
      code('source_password_missing'),
    );
    const passwords = { [member('orders')]: 'right' };
    services().environments.apply(environmentName('vault'), { definition, passwords, remember: true });
    await refresh('vault');
    assert.equal(JSON.stringify(engine.store.environments.list()).includes('right'), false);
    services().environments.apply(environmentName('vault'), {
      definition,
      passwords: { [member('orders')]: 'wrong' },
      remember: true,
    });
    const job = services().environments.refresh(ref('vault'), {}, caller);
    assert.equal((await engine.life().ended(job))?.error?.code, 'source_password');
  });

  it('says unchanged to the same declaration, and keeps members fixed once there are snapshots', async () => {
    const { definition } = engine.life().context.catalog.environment(ref('shop'));
    const apply = (changed = definition) =>
      services().environments.apply(environmentName('shop'), { definition: changed });
    assert.equal(apply().outcome, 'unchanged');
    assert.equal(apply({ ...definition, clones: { limit: 3 } }).outcome, 'changed');
    await refresh();
    const members = {
      ...definition.members,
      [member('more')]: definition.members[member('orders')],
    } as never;
    assert.throws(() => apply({ ...definition, members }), code('environment_locked'));
  });

  it('refuses what this version does not support, by name', () => {
    const definition = (changes: object): never =>
      ({
        host: 'local',
        members: {
          orders: { engine: 'postgres', retrieval: 'logical', url: 'postgresql://a@b/c', ...changes },
        },
        clones: {},
      }) as never;
    const refused: [object, ErrorCode][] = [
      [{ engine: 'mongodb' }, 'not_supported'],
      [{ retrieval: 'physical' }, 'not_supported'],
      [{ url: 'postgresql://a:secret@b/c' }, 'source_url'],
      [{ url: 'postgresql://a@b/c?password=secret' }, 'source_url'],
      [{ url: 'http://a@b/c' }, 'source_url'],
      [{ url: 'not a url' }, 'source_url'],
      [{ url: undefined }, 'invalid_request'],
      [{ dump: '/dump' }, 'invalid_request'],
    ];
    for (const [changes, wanted] of refused) {
      const attempt = () =>
        services().environments.apply(environmentName('x'), { definition: definition(changes) });
      assert.throws(attempt, (error) => {
        assert.ok(isFailure(error), String(error));
        assert.equal(error.code, wanted, JSON.stringify(changes));
        assert.equal(error.message.includes('secret@'), false);
        return true;
      });
    }
  });
});

describe('an environment of two members', () => {
  let engine: MemoryEngine;
  beforeEach(async () => {
    engine = await openMemoryEngine({ skewMs: 4000 });
    engine.declare('shop', { orders: 'o1', users: 'u1' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
  });
  afterEach(async () => {
    await engine.life().quiet();
    assert.deepEqual(await engine.violations(), []);
    await engine.close();
  });
  const create = () =>
    engine.life().services.clones.create({ environment: ref('shop'), name: cloneName('a') }, caller);

  it('is snapshotted as one, with the time between its members told as skew', () => {
    const [snapshot] = engine.store.snapshots.list();
    assert.equal(snapshot?.members.length, 2);
    assert.ok(snapshot.skewMs >= 4000 && snapshot.skewMs < 4100, String(snapshot.skewMs));
  });

  it('is cloned, reset and destroyed as one, with a port for each member', async () => {
    await engine.done(() => create());
    assert.deepEqual(await engine.read('a'), { orders: 'o1', users: 'u1' });
    assert.equal(new Set(engine.clone('a').members.map(({ port }) => port)).size, 2);
    await engine.write('a', 'ruined');
    await engine.done(({ clones }) => clones.reset(ref('a'), {}, caller));
    assert.deepEqual(await engine.read('a'), { orders: 'o1', users: 'u1' });
    await engine.done(({ clones }) => clones.destroy(ref('a'), caller));
    assert.equal(engine.runtime.running.size, 0);
  });

  for (const only of ['storage.clone', 'runtime.start', 'database.ready', 'storage.tag']) {
    it(`is not cloned at all when the second ${only} fails`, async () => {
      engine.life().gate.strike = { nth: 2, how: 'fail', when: 'before', only };
      const job = await create();
      const end = await engine.life().ended(job);
      assert.equal(end?.state, 'failed');
      assert.deepEqual(engine.store.clones.list(), []);
      assert.equal(engine.runtime.running.size, 0);
      assert.equal((await engine.storage.list()).length, 2);
    });
  }

  it('keeps the old data of all members when the reset of one fails', async () => {
    await engine.done(() => create());
    await engine.write('a', 'mine');
    for (const only of ['storage.clone', 'runtime.start', 'database.ready', 'storage.tag']) {
      engine.life().gate.strike = {
        nth: 2,
        how: 'fail',
        when: 'before',
        only,
        error: fail('storage_full', { storage: 'm', freeBytes: 0 }),
      };
      const job = engine.life().services.clones.reset(ref('a'), {}, caller);
      const end = await engine.life().ended(job);
      assert.equal(end?.state, 'failed', only);
      assert.deepEqual(await engine.read('a'), { orders: 'mine', users: 'mine' }, only);
      assert.equal(engine.clone('a').state, 'ready', only);
      assert.deepEqual(await engine.violations(), [], only);
    }
  });
});
