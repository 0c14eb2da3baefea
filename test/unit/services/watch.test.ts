import assert from 'node:assert/strict';
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
    await engine.clock.advance(2 * hour);
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
      await engine.clock.advance(hour);
      await seconds(40);
    }
    assert.ok(exists());
    engine.database.connectionCounts.clear();
    await engine.life().services.clones.protect(ref('a'), 'forever');
    await engine.clock.advance(9 * hour);
    await seconds(40);
    assert.ok(exists());
    await engine.close();
    await open();
    await engine.clock.advance(1000 * hour);
    await seconds(40);
    assert.ok(exists());
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
});
