import assert from 'node:assert/strict';
import { caller, cloneName, openMemoryEngine, ref, type MemoryEngine } from '../../support/memoryEngine.ts';

/** What a job asks of the world until it hands over, in alphabetical order. */
async function callsOf(engine: MemoryEngine, what: 'create' | 'reset'): Promise<string[]> {
  const life = engine.life();
  const { services, gate } = life;
  await life.quiet();
  gate.calls.length = 0;
  const job =
    what === 'create'
      ? await services.clones.create({ environment: ref('shop'), name: cloneName('a') }, caller)
      : services.clones.reset(ref('a'), {}, caller);
  const { state } = (await life.ended(job)) ?? {};
  assert.equal(state, 'succeeded');
  const calls = gate.calls.filter((call) => /^(runtime|database|storage)\./.test(call));
  return calls.slice(0, calls.indexOf('storage.tag') + 1).sort();
}

describe('what a create and a reset ask of the ports', () => {
  let engine: MemoryEngine;
  before(async () => {
    engine = await openMemoryEngine();
    engine.declare('shop', { main: 'first' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
  });
  after(() => engine.close());

  it('a create looks for no server on data that it has just copied', async () => {
    const calls = await callsOf(engine, 'create');
    assert.deepEqual(calls, [
      'database.makeStartable',
      'database.ready',
      'database.server',
      // Asked by `ready`.
      'runtime.alive',
      'runtime.start',
      'storage.clone',
      'storage.tag',
    ]);
  });

  it('a reset looks for none either, and once for the server that it stops', async () => {
    const calls = await callsOf(engine, 'reset');
    assert.deepEqual(calls, [
      'database.makeStartable',
      'database.ready',
      'database.server',
      // Before the stop, and by `ready`.
      'runtime.alive',
      'runtime.alive',
      'runtime.start',
      'runtime.stop',
      'storage.clone',
      'storage.tag',
    ]);
  });
});
