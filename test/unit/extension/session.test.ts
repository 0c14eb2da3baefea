import assert from 'node:assert/strict';
import { isFailure, fail } from '../../../engine/protocol/errors.ts';
import { createSession, type EngineSession, type SessionOptions } from '../../../src/engine/session.ts';
import { fakeClone, startFakeEngine, type FakeEngine } from '../cli/fakeEngine.ts';

describe('the session with an engine', () => {
  let engine: FakeEngine;
  let session: EngineSession;
  let reached: boolean[];
  let isWanted: boolean;
  let isThere: boolean;

  const open = (changes: Partial<SessionOptions> = {}): EngineSession =>
    createSession({
      async reach({ start }) {
        reached.push(start);
        if (!isThere && !start) throw fail('engine_unreachable', { problem: 'none is running' });
        isThere = true;
        return await engine.connect();
      },
      async end() {
        isThere = false;
      },
      wanted: () => isWanted,
      log: () => undefined,
      ...changes,
    });

  const stateIs = (kind: string): Promise<void> =>
    new Promise((resolve) => {
      if (session.state.kind === kind) {
        resolve();
        return;
      }
      const subscription = session.onDidChangeState((state) => {
        if (state.kind !== kind) return;
        subscription.dispose();
        resolve();
      });
    });

  beforeEach(async () => {
    engine = await startFakeEngine();
    engine.overview.clones.push(fakeClone());
    reached = [];
    isWanted = false;
    isThere = false;
    session = open();
  });
  afterEach(async () => {
    session.dispose();
    await engine.close();
  });

  it('touches no engine until it is asked for', () => {
    assert.equal(session.state.kind, 'idle');
    assert.deepEqual(reached, []);
  });

  it('starts the engine once, however many ask at the same time', async () => {
    await Promise.all([session.connect(), session.connect(), session.connect()]);
    assert.deepEqual(reached, [true]);
    assert.equal(session.state.kind, 'connected');
    assert.equal(session.model.clones.size, 1);
  });

  it('follows the events of the engine', async () => {
    await session.connect();
    await engine.listened();
    const changed = new Promise<void>((resolve) => {
      session.onEvent(() => resolve());
    });
    engine.emit({ kind: 'clone', entity: fakeClone({ state: 'resetting' }) });
    await changed;
    assert.equal([...session.model.clones.values()][0]?.state, 'resetting');
  });

  it('reads the overview again when the engine says so', async () => {
    await session.connect();
    await engine.listened();
    engine.overview.clones = [];
    engine.overview.seq = 100;
    const read = new Promise<void>((resolve) => {
      session.model.onDidChange(() => resolve());
    });
    engine.emit({ kind: 'resync' });
    await read;
    assert.equal(session.model.clones.size, 0);
  });

  it('says why the engine did not start, and starts it when asked again', async () => {
    session.dispose();
    let broken = true;
    session = open({
      async reach() {
        if (broken) throw fail('engine_start_failed', { problem: 'it ended with code 1', log: '/log' });
        return await engine.connect();
      },
    });
    await assert.rejects(session.connect(), (error) => isFailure(error, 'engine_start_failed'));
    assert.equal(session.state.kind, 'failed');
    broken = false;
    await session.connect();
    assert.equal(session.state.kind, 'connected');
  });

  it('starts a killed engine again while somebody looks at the view', async () => {
    isWanted = true;
    await session.connect();
    await engine.listened();
    engine.breakStreams();
    await stateIs('stopped');
    await stateIs('connected');
    assert.deepEqual(reached, [true, true]);
  });

  it('only looks for another engine when nobody looks at the view', async () => {
    await session.connect();
    await engine.listened();
    engine.breakStreams();
    await stateIs('stopped');
    await stateIs('connected');
    assert.deepEqual(reached, [true, false]);
  });

  it('leaves an engine stopped that was asked to stop, until a command needs it', async () => {
    isWanted = true;
    await session.connect();
    await session.stop();
    assert.equal(session.state.kind, 'stopped');
    await session.connect();
    assert.equal(session.state.kind, 'connected');
    assert.deepEqual(reached, [true, true]);
  });

  it('goes on with an engine that could not be stopped, without reaching for it again', async () => {
    session.dispose();
    session = open({
      async end() {
        throw fail('engine_unreachable', { problem: 'it did not stop within 10 s' });
      },
    });
    await session.connect();
    await assert.rejects(session.stop(), (error) => isFailure(error, 'engine_unreachable'));
    assert.equal(session.state.kind, 'connected');
    await session.connect();
    assert.deepEqual(reached, [true]);
  });
});
