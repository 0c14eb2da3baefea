import assert from 'node:assert/strict';
import type { Clone, Job } from '../../../engine/protocol/entities.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import type { Services } from '../../../engine/services/services.ts';
import {
  caller,
  cloneName,
  openMemoryEngine,
  ref,
  type Life,
  type MemoryEngine,
  type MemoryEngineOptions,
} from '../../support/memoryEngine.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('clones that are brought up after the machine went down', () => {
  let engine: MemoryEngine;
  /** Servers do not answer before this resolves. */
  let release = (): void => undefined;
  let held: Promise<void> = Promise.resolve();
  let isHeld = false;
  const hold = (): void => {
    isHeld = true;
    held = new Promise((resolve) => {
      release = () => {
        isHeld = false;
        resolve();
      };
    });
  };

  const open = async (names: readonly string[], options: MemoryEngineOptions = {}): Promise<void> => {
    engine = await openMemoryEngine(options);
    const real = { ...engine.database };
    engine.database.ready = async (spec, isAlive, login, signal) => {
      const aborted = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
      await Promise.race([held, aborted]);
      await real.ready(spec, isAlive, login, signal);
    };
    engine.database.flush = async (spec, signal) => {
      if (isHeld) throw fail('server_start_failed', { server: spec.title, problem: 'it is starting up.' });
      await real.flush(spec, signal);
    };
    // The running engine has the port as it was.
    await engine.restart();
    engine.declare('shop', { orders: 'first' });
    await engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    for (const name of names) {
      await engine.done(({ clones }) =>
        clones.create({ environment: ref('shop'), name: cloneName(name) }, caller),
      );
      await engine.write(name, 'mine');
    }
  };
  /** The machine goes down; `meanwhile` sees clones whose servers do not answer yet. */
  const reboot = async (meanwhile: (life: Life) => Promise<void>): Promise<Life> => {
    hold();
    return engine.restart({
      reboot: true,
      async meanwhile(life) {
        await meanwhile(life);
        release();
      },
    });
  };
  const statesOf = (name: string): string[] => {
    const { state, members } = engine.clone(name);
    return [state, ...members.map((member) => member.state)];
  };
  const starts = ({ gate }: Life): number => gate.calls.filter((call) => call === 'runtime.start').length;
  const told = ({ events }: Life): Clone[] =>
    events.flatMap((event) =>
      event.kind === 'clone' && event.entity.name === cloneName('a') ? [event.entity] : [],
    );
  const until = async (holds: () => boolean): Promise<void> => {
    for (let turns = 0; !holds(); turns++) {
      assert.ok(turns < 10_000, 'it does not come true');
      await turn();
    }
  };

  afterEach(async () => {
    release();
    await engine.life().quiet();
    await engine.life().services.broughtUp();
    assert.deepEqual(await engine.violations(), []);
    assert.equal(engine.runtime.running.size, engine.store.clones.list().length);
    await engine.close();
  });

  it('are told as starting by an engine that answers already, and as ready when they are', async () => {
    await open(['a']);
    const life = await reboot(async () => {
      assert.deepEqual(statesOf('a'), ['stopped', 'starting']);
      await turn();
      assert.deepEqual(statesOf('a'), ['stopped', 'starting']);
    });
    assert.deepEqual(statesOf('a'), ['ready', 'ready']);
    assert.equal(starts(life), 1);
    assert.deepEqual(
      told(life).map(({ state }) => state),
      ['stopped', 'ready'],
    );
  });

  it('are started a few at a time, and one that somebody asks for at once', async () => {
    await open(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
    await reboot(async (life) => {
      await until(() => starts(life) === 6);
      const [last] = engine.store.clones.list().slice(-1);
      const [next] = engine.store.clones.list().slice(-2);
      assert.ok(last !== undefined && next !== undefined);
      let isUp = false;
      const settled = life.services.settled(last.id).then(() => (isUp = true));
      await until(() => starts(life) === 7);
      assert.ok(engine.runtime.stops.length === 0 && !isUp);
      release();
      await settled;
      assert.deepEqual(statesOf(last.name), ['ready', 'ready']);
    });
    assert.ok(engine.store.clones.list().every(({ state }) => state === 'ready'));
  });

  it('are started first when they belong to a branch', async () => {
    await open(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    const to = { repository: '/work/shop/.git', branch: 'main' };
    await engine.done(({ clones }) => clones.bind(ref('a'), to, undefined, caller));
    await reboot(async (life) => {
      await until(() => starts(life) === 6);
      const [member] = engine.clone('a').members;
      assert.ok([...engine.runtime.running.values()].some(({ identity }) => identity === member?.dataset));
    });
  });

  it('are left to the next engine when this one is told to stop', async () => {
    await open(['a']);
    await reboot(async (life) => {
      await until(() => starts(life) === 1);
      await life.services.close();
      assert.deepEqual(statesOf('a'), ['stopped', 'starting']);
      assert.equal(engine.runtime.running.size, 0);
    });
    release();
    await engine.restart();
    assert.deepEqual(statesOf('a'), ['ready', 'ready']);
  });

  it('get their password also from an engine that finds them running after another one was killed', async () => {
    await open(['a']);
    await reboot(async (life) => {
      await until(() => starts(life) === 1);
      life.gate.kill();
    });
    release();
    assert.equal(engine.runtime.running.size, 1);
    const life = await engine.restart();
    assert.deepEqual(statesOf('a'), ['ready', 'ready']);
    assert.equal(starts(life), 0);
  });

  it('do not hide that a server of another clone ended', async () => {
    await open(['a', 'b']);
    const victim = engine.clone('b');
    engine.runtime.crash(engine.clone('a').members[0]?.dataset ?? '');
    hold();
    await engine.restart({
      async meanwhile(life) {
        await until(() => starts(life) === 1);
        engine.runtime.crash(victim.members[0]?.dataset ?? '');
        await engine.clock.advance(1000);
        assert.deepEqual(statesOf('b'), ['stopped', 'stopped']);
        assert.deepEqual(statesOf('a'), ['stopped', 'starting']);
        release();
      },
    });
    assert.deepEqual(statesOf('a'), ['ready', 'ready']);
    await engine.done(({ clones }) => clones.start(ref('b'), caller));
  });

  interface Request {
    request: (services: Services) => Job;
    /** What the clone holds then; null: there is none. */
    text: string | null;
    /** What is told of it while its servers come up, without repetitions. */
    states: readonly string[];
  }
  const requests: Record<string, Request> = {
    reset: {
      request: ({ clones }) => clones.reset(ref('a'), {}, caller),
      text: 'first',
      states: ['stopped', 'resetting', 'ready'],
    },
    start: {
      request: ({ clones }) => clones.start(ref('a'), caller),
      text: 'mine',
      states: ['stopped', 'ready'],
    },
    commit: {
      request: ({ clones }) => clones.commit(ref('a'), { message: 'm' }, caller),
      text: 'mine',
      states: ['stopped', 'committing', 'ready'],
    },
    destroy: {
      request: ({ clones }) => clones.destroy(ref('a'), caller),
      text: null,
      states: ['stopped', 'destroying'],
    },
  };
  for (const [name, { request, text, states }] of Object.entries(requests)) {
    for (const live of [true, false]) {
      const store = live ? '' : ', on a store that copies only what is stopped';
      const check = async (end: Job | undefined): Promise<void> => {
        assert.equal(end?.state, 'succeeded', end?.error?.message);
        await engine.life().services.broughtUp();
        const isThere = engine.store.clones.list().some((clone) => clone.name === cloneName('a'));
        assert.equal(isThere, text !== null);
        if (text === null) return;
        assert.deepEqual(statesOf('a'), ['ready', 'ready']);
        assert.deepEqual(await engine.read('a'), { orders: text });
      };
      for (const begun of [0, 1]) {
        it(`can be asked for a ${name} ${begun === 0 ? 'just before' : 'while'} their servers come up${store}`, async () => {
          await open(['a'], { capabilities: { live } });
          let ended: Promise<Job | undefined> = Promise.resolve(undefined);
          const life = await reboot(async (young) => {
            await until(() => starts(young) >= begun);
            ended = young.ended(request(young.services));
            await turn();
            // Nothing is worth waiting for then.
            if (text === null) assert.equal((await ended)?.state, 'succeeded');
          });
          await check(await ended);
          const seen = told(life);
          assert.deepEqual(
            seen.map(({ state }) => state).filter((state, index, all) => state !== all[index - 1]),
            states,
          );
          if (name === 'reset')
            assert.ok(seen.every(({ state, resetAt }) => state !== 'ready' || resetAt !== null));
        });
      }
      it(`can be asked for a ${name} before their turn has come${store}`, async () => {
        await open(['a', 'b', 'c', 'd', 'e', 'f', 'g'], { capabilities: { live } });
        let ended: Promise<Job | undefined> = Promise.resolve(undefined);
        await reboot(async (life) => {
          await until(() => starts(life) === 6);
          // The oldest clone is the last.
          ended = life.ended(request(life.services));
          await turn();
        });
        await check(await ended);
      });
    }
  }

  it('do not keep the watch from others while a start job holds them', async () => {
    await open(['a', 'b']);
    hold();
    // The watch looks at the newest first.
    const life = engine.life();
    const start = life.ended(life.services.clones.start(ref('b'), caller));
    await turn();
    engine.runtime.crash(engine.clone('a').members[0]?.dataset ?? '');
    await engine.clock.advance(1000);
    assert.deepEqual(statesOf('a'), ['stopped', 'stopped']);
    release();
    assert.equal((await start)?.state, 'succeeded');
    await engine.done(({ clones }) => clones.start(ref('a'), caller));
  });

  it('come up also when a reset of them fails meanwhile', async () => {
    await open(['a']);
    let ended: Promise<Job | undefined> = Promise.resolve(undefined);
    await reboot(async (life) => {
      await until(() => starts(life) === 1);
      life.gate.strike = { nth: 1, how: 'fail', when: 'before', only: 'storage.tag' };
      ended = life.ended(life.services.clones.reset(ref('a'), {}, caller));
    });
    assert.equal((await ended)?.state, 'failed');
    await engine.life().services.broughtUp();
    assert.deepEqual(statesOf('a'), ['ready', 'ready']);
    assert.deepEqual(await engine.read('a'), { orders: 'mine' });
  });
});
