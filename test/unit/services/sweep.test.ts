import assert from 'node:assert/strict';
import { caller, cloneName, openMemoryEngine, ref, type MemoryEngine } from '../../support/memoryEngine.ts';

describe('what a start removes', () => {
  let engine: MemoryEngine;
  beforeEach(async () => {
    engine = await openMemoryEngine();
    engine.declare('shop', { orders: 'o' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    await engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('a') }, caller),
    );
  });
  afterEach(() => engine.close());

  /** A refresh that is at work with a process of its own when its engine is killed. */
  const leftBehind = async () => {
    engine.database.hold = new Promise(() => undefined);
    const job = engine.life().services.environments.refresh(ref('shop'), {}, caller);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    const process = await engine.machine.processes.spawnDetached({
      ...{ program: 'pg_dump', args: [], env: {}, cwd: '/', logFile: '/home/logs/dump.log' },
      mark: job.id,
    });
    engine.database.hold = undefined;
    return process;
  };
  const isAlive = async ({ pid }: { pid: number }): Promise<boolean> =>
    (await engine.machine.processes.identify(pid)) !== undefined;

  it('takes processes along that only the job had marked, also when the state is lost', async () => {
    const process = await leftBehind();
    assert.ok(await isAlive(process));
    await engine.restart({ loseState: true });
    assert.equal(await isAlive(process), false);
    assert.deepEqual(await engine.violations(), []);
  });

  it('hands each dataset to its own database engine, not to that of the first member', async () => {
    const asked: string[] = [];
    Object.assign(engine.database, {
      abandon: async (mark: string, _path: string, dataset: string) => void asked.push(`${mark} ${dataset}`),
    });
    await leftBehind();
    const [unfinished] = (await engine.storage.list()).filter(({ tags }) => tags.state === 'filling');
    assert.ok(unfinished);
    const { tags, id } = unfinished;
    assert.match(tags.job ?? '', /^job-/);
    const definition = structuredClone(tags.environment.definition);
    for (const member of Object.values(definition.members)) member.engine = 'mongodb';
    await engine.storage.tag(id, { ...tags, environment: { ...tags.environment, definition } });
    const { log } = await engine.restart({ loseState: true });
    // Nothing here knows how to end its servers, so it stays, and that is said.
    assert.deepEqual(asked, []);
    assert.ok((await engine.storage.list()).some((dataset) => dataset.id === id));
    assert.ok(log.some((line) => line.includes('could not be removed') && line.includes('mongodb')));
  });

  it('waits for no dataset whose removal hangs', async () => {
    await leftBehind();
    const before = { ...engine.database };
    Object.assign(engine.database, { abandon: () => new Promise(() => undefined) });
    const restarted = engine.restart({ loseState: true });
    const up = new AbortController();
    void restarted.then(() => up.abort());
    while (!up.signal.aborted) {
      await new Promise((resolve) => setImmediate(resolve));
      await engine.clock.advance(1000);
    }
    assert.equal(engine.clone('a').state, 'ready');
    Object.assign(engine.database, before);
    await engine.restart();
    assert.deepEqual(await engine.violations(), []);
  });
});
