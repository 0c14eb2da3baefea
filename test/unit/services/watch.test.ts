import assert from 'node:assert/strict';
import type { RunningServer } from '../../../engine/runtime/runtime.ts';
import { caller, cloneName, openMemoryEngine, ref, type MemoryEngine } from '../../support/memoryEngine.ts';

const second = 1000;
const hour = 3_600_000;

describe('the watch over clones', () => {
  let engine: MemoryEngine;
  const open = async (idleTtl?: string): Promise<void> => {
    engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'o', users: 'u' }, idleTtl === undefined ? {} : { idleTtl });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    await engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('a') }, caller),
    );
  };
  const seconds = async (count: number): Promise<void> => {
    for (let passed = 0; passed < count; passed++) await engine.clock.advance(second);
    await engine.life().quiet();
  };
  const exists = (): boolean => engine.store.clones.list().length > 0;
  afterEach(async () => {
    await engine.life().quiet();
    assert.deepEqual(await engine.violations(), []);
    await engine.close();
  });

  it('tells within a second that a server ended, which one, and that its data is as it was', async () => {
    await open();
    engine.runtime.crash(engine.clone('a').members[1]?.dataset ?? '');
    await seconds(1);
    const { state, problem, members } = engine.clone('a');
    assert.equal(state, 'stopped');
    assert.match(problem ?? '', /server of users ended/);
    assert.deepEqual(
      members.map((member) => member.state),
      ['ready', 'stopped'],
    );
    assert.deepEqual(
      engine
        .life()
        .events.flatMap((event) => (event.kind === 'clone' ? [event.entity.state] : []))
        .at(-1),
      'stopped',
    );
    await engine.done(({ clones }) => clones.start(ref('a'), caller));
    assert.deepEqual(await engine.read('a'), { orders: 'o', users: 'u' });
  });

  it('tells also that the other server of a stopped clone ended', async () => {
    await open();
    for (const { dataset } of engine.clone('a').members) {
      engine.runtime.crash(dataset);
      await seconds(1);
    }
    assert.deepEqual(
      engine.clone('a').members.map((member) => member.state),
      ['stopped', 'stopped'],
    );
  });

  it('does not call a clone stopped while a job has stopped its servers', async () => {
    await open();
    const job = engine.life().services.clones.reset(ref('a'), {}, caller);
    await Promise.all([engine.life().ended(job), engine.clock.advance(second)]);
    assert.equal(engine.clone('a').state, 'ready');
  });

  it('destroys a clone that nobody used for its time-to-live, and says why in the job', async () => {
    await open('2h');
    await seconds(40);
    assert.ok(exists());
    await engine.clock.pass(2 * hour);
    await seconds(40);
    assert.equal(exists(), false);
    const [job] = engine.life().context.runner.list(1);
    assert.equal(job?.createdBy, 'idle time-to-live of shop');
  });

  it('keeps a clone that is connected to, protected, or of an environment without a time-to-live', async () => {
    await open('2h');
    const [member] = engine.clone('a').members;
    engine.database.connectionCounts.set(member?.dataset ?? '', 1);
    for (let round = 0; round < 3; round++) {
      await engine.clock.pass(hour);
      await seconds(40);
    }
    assert.ok(exists());
    engine.database.connectionCounts.clear();
    await engine.life().services.clones.protect(ref('a'), 'forever');
    await engine.clock.pass(9 * hour);
    await seconds(40);
    assert.ok(exists());
    await engine.close();
    await open();
    await engine.clock.pass(9 * hour);
    await seconds(40);
    assert.ok(exists());
  });

  it('keeps a clone that was in use before the clock jumped, or the machine slept', async () => {
    await open('2h');
    await seconds(40);
    for (const jump of [30 * 24 * hour, -60 * 24 * hour, 3 * hour]) {
      engine.clock.jump(jump);
      await seconds(70);
      assert.ok(exists(), `after ${jump / hour} hours`);
    }
    // Where the monotonic clock goes on in a suspended machine.
    await engine.clock.advance(30 * 24 * hour);
    await seconds(70);
    assert.ok(exists());
    await engine.clock.pass(2 * hour);
    await seconds(70);
    assert.equal(exists(), false);
  });

  it('lets no jump, no sleep and no week without an engine end a protection, but its time alone', async () => {
    await open('2h');
    await engine.life().services.clones.protect(ref('a'), 120);
    const left = (): number =>
      Math.round(
        (Date.parse(engine.clone('a').protectedUntil ?? '') - engine.clock.now().getTime()) / 60_000,
      );
    const destroy = () => engine.life().services.clones.destroy(ref('a'), caller);
    engine.clock.jump(30 * 24 * hour);
    assert.throws(destroy, { code: 'clone_protected' });
    assert.equal(left(), 120);
    engine.clock.jump(-90 * 24 * hour);
    await seconds(1);
    assert.equal(left(), 120);
    await engine.clock.advance(9 * hour);
    assert.throws(destroy, { code: 'clone_protected' });
    await engine.clock.pass(hour);
    await seconds(31);
    const before = left();
    assert.ok(before < 62 && before > 55, `${before}`);
    engine.clock.jump(7 * 24 * hour);
    await engine.restart();
    assert.throws(destroy, { code: 'clone_protected' });
    assert.ok(left() >= before && left() < before + 2, `${left()}`);
    engine.clock.jump(-7 * 24 * hour);
    await engine.restart();
    assert.ok(left() >= before && left() < before + 2, `${left()}`);
    await engine.clock.pass(before * 60_000 + 60_000);
    await engine.done(() => destroy());
  });

  it('tells everybody of a host whose free space changed, once for each change that people would see', async () => {
    await open();
    await seconds(2);
    const told = (): number[] =>
      engine
        .life()
        .events.flatMap((event) => (event.kind === 'host' ? [event.entity.storage?.freeBytes ?? -1] : []));
    await seconds(30);
    assert.deepEqual(told(), []);
    const { storage } = engine.life().context;
    const { freeBytes, totalBytes } = await storage.space();
    const has = (free: number): void =>
      void Object.assign(storage, { space: async () => ({ totalBytes, freeBytes: free }) });
    const less = freeBytes - totalBytes / 50;
    has(less);
    await seconds(30);
    assert.deepEqual(told(), [less]);
    has(less - 1000);
    await seconds(30);
    assert.deepEqual(told(), [less]);
    Object.assign(storage, { space: () => Promise.reject(new Error('it is not mounted')) });
    await seconds(30);
    has(less);
    await seconds(30);
    assert.deepEqual(told(), [less, -1, less]);
  });

  it('goes on when a look fails, and logs it', async () => {
    await open();
    engine.life().gate.strike = { nth: 1, how: 'fail', when: 'before', only: 'runtime.alive' };
    await seconds(1);
    assert.equal(engine.clone('a').state, 'ready');
    assert.ok(engine.life().log.some((line) => line.startsWith('liveness')));
    engine.runtime.crash(engine.clone('a').members[0]?.dataset ?? '');
    await seconds(1);
    assert.equal(engine.clone('a').state, 'stopped');
  });

  it('measures what a clone occupies', async () => {
    await open();
    await engine.write('a', 'x'.repeat(5000));
    await seconds(12);
    assert.ok((engine.clone('a').bytes.logical ?? 0) > 10_000);
  });

  it('measures a clone again only when its data changed, or the snapshots that it shares it with', async () => {
    await open();
    await engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('b') }, caller),
    );
    const measured = async (): Promise<number> => {
      const before = engine.life().gate.calls.length;
      await seconds(60);
      return engine
        .life()
        .gate.calls.slice(before)
        .filter((call) => call === 'storage.usage').length;
    };
    await measured();
    assert.equal(await measured(), 0);
    await engine.write('a', 'x'.repeat(5000));
    assert.equal(await measured(), 2);
    assert.ok((engine.clone('a').bytes.logical ?? 0) > 10_000);
    await engine.done(({ clones }) => clones.commit(ref('a'), { message: 'kept' }, caller));
    await measured();
    assert.equal(await measured(), 0);
    // Whatever no sign tells.
    await engine.clock.pass(10 * 60_000);
    assert.equal(await measured(), 0);
  });

  it('tells that a server ended while looks at others, and work on them, hang', async () => {
    await open();
    const hanging = new Set<string>();
    for (let count = 0; count < 14; count++) {
      const name = `hanging-${count}`;
      await engine.done(({ clones }) =>
        clones.create({ environment: ref('shop'), name: cloneName(name) }, caller),
      );
      hanging.add(engine.clone(name).members[0]?.dataset ?? '');
    }
    const { context } = engine.life();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const runtime = { ...context.runtime };
    Object.assign(context.runtime, {
      alive: async (server: RunningServer) => {
        if (hanging.has(server.identity)) await held;
        return runtime.alive(server);
      },
    });
    await seconds(5);
    engine.runtime.crash(engine.clone('a').members[1]?.dataset ?? '');
    await seconds(5);
    assert.equal(engine.clone('a').state, 'stopped');
    release();
  });
});
