import assert from 'node:assert/strict';
import type { CloneState, Job } from '../../../engine/protocol/entities.ts';
import type { Services } from '../../../engine/services/services.ts';
import {
  asTimePasses,
  caller,
  cloneName,
  endOf,
  openMemoryEngine,
  ref,
  snapshotName,
  type MemoryEngine,
  type MemoryEngineOptions,
  type Strike,
} from '../../support/memoryEngine.ts';

interface Operation {
  name: string;
  request: (services: Services) => Job | Promise<Job>;
  /** What clone `a` may hold afterwards; `none`: it may be gone. */
  after: readonly ('mine' | 'first' | 'none')[];
  removes?: true;
  /** What clone `a` may be called afterwards; default: a. */
  called?: readonly string[];
  /** More that has to be there before. */
  prepare?: (engine: MemoryEngine) => Promise<void>;
  /** What must hold besides, when the next engine has looked. */
  check?: (engine: MemoryEngine) => void | Promise<void>;
  /** The states that clone `a` may be in afterwards; default: ready. */
  states?: (succeeded: boolean) => readonly CloneState[];
}

/** The servers of clone `a` have ended. */
const stop = async (engine: MemoryEngine): Promise<void> => {
  for (const { dataset } of engine.clone('a').members) engine.runtime.crash(dataset);
  await engine.clock.advance(1000);
  assert.equal(engine.clone('a').state, 'stopped');
};

const feature = { repository: '/work/shop/.git', branch: 'feature' };
/** A clone `b` of a branch that began with the state of clone `a`. */
const branchOff = async (engine: MemoryEngine): Promise<void> => {
  const { object } = await engine.done(({ clones }) =>
    clones.commit(ref('a'), { message: 'm', origin: 'branch' }, caller),
  );
  await engine.done(({ clones }) => clones.create(branch(object.id), caller));
};
const branch = (snapshot: string) => ({
  environment: ref('shop'),
  name: cloneName('b'),
  snapshot: ref(snapshot),
  binding: feature,
  password: 'shared',
});
/** The beginning of a branch is there as long as a clone that stands on it. */
const checkBranchStart = (engine: MemoryEngine): void => {
  const { store } = engine;
  const kept = store.snapshots.list().filter(({ origin }) => origin === 'branch');
  for (const { id } of kept) assert.ok(store.clones.list().some(({ snapshot }) => snapshot === id));
};

const stopForGood = async (engine: MemoryEngine): Promise<void> => {
  await engine.done(({ clones }) => clones.stop(ref('a'), caller));
};
/** Tags and row say the same, and a clone that nobody stopped runs. */
const checkStopped = async (engine: MemoryEngine): Promise<void> => {
  const { stoppedBy, state, problem, members } = engine.clone('a');
  for (const { dataset } of members) {
    const tags = (await engine.storage.get(dataset))?.tags.content;
    assert.equal(tags?.kind === 'clone' && tags.clone.stoppedBy, stoppedBy, 'the tags');
  }
  if (state === 'stopped')
    assert.ok(stoppedBy === caller.user || problem !== null, 'nobody says why it is stopped');
};

/** What a lost state would be made of says what the rows say. */
const checkTags = async (engine: MemoryEngine): Promise<void> => {
  const { snapshots, clones } = engine.store;
  for (const { tags } of await engine.storage.list()) {
    const { content } = tags;
    const [said, row] =
      content.kind === 'clone'
        ? [content.clone.name, clones.get(content.clone.id)?.name]
        : [content.snapshot.name, snapshots.get(content.snapshot.id)?.name];
    assert.equal(said, row);
  }
};

const operations: readonly Operation[] = [
  {
    name: 'create',
    request: ({ clones }) => clones.create({ environment: ref('shop'), name: cloneName('b') }, caller),
    after: ['mine'],
  },
  {
    name: 'create for a branch from its beginning',
    async prepare(engine) {
      await engine.done(({ clones }) =>
        clones.commit(ref('a'), { message: 'm', name: snapshotName('beginning'), origin: 'branch' }, caller),
      );
    },
    request: ({ clones }) => clones.create(branch('beginning'), caller),
    after: ['mine'],
    check: checkBranchStart,
  },
  {
    name: 'bind',
    request: ({ clones }) => clones.bind(ref('a'), feature, 'shared', caller),
    after: ['mine'],
    check(engine) {
      const { branch: bound, repository } = engine.clone('a');
      const [login] = engine.life().services.clones.connection(ref('a'));
      assert.deepEqual(
        [bound, repository, login?.password === 'shared'],
        bound === null ? [null, null, false] : [feature.branch, feature.repository, true],
      );
    },
  },
  {
    name: 'destroy of the last clone of a branch',
    prepare: branchOff,
    request: ({ clones }) => clones.destroy(ref('b'), caller),
    after: ['mine'],
    removes: true,
    check: checkBranchStart,
  },
  {
    name: 'reset off the beginning of a branch',
    prepare: branchOff,
    request: ({ clones }) => clones.reset(ref('b'), { snapshot: ref('base') }, caller),
    after: ['mine'],
    check: checkBranchStart,
  },
  { name: 'reset', request: ({ clones }) => clones.reset(ref('a'), {}, caller), after: ['mine', 'first'] },
  {
    name: 'reset with the old state kept',
    request: ({ clones }) => clones.reset(ref('a'), { keepAs: snapshotName('kept') }, caller),
    after: ['mine', 'first'],
  },
  {
    name: 'start of a clone whose password changed while it was stopped',
    async prepare(engine) {
      await stop(engine);
      await engine.done(({ clones }) => clones.bind(ref('a'), feature, 'shared', caller));
    },
    request: ({ clones }) => clones.start(ref('a'), caller),
    after: ['mine'],
    states: (succeeded) => (succeeded ? ['ready'] : ['stopped', 'ready']),
  },
  {
    name: 'reset of a stopped clone',
    prepare: stop,
    request: ({ clones }) => clones.reset(ref('a'), {}, caller),
    after: ['mine', 'first'],
    states: (succeeded) => [succeeded ? 'ready' : 'stopped'],
  },
  {
    name: 'reset of a stopped clone with the old state kept',
    prepare: stop,
    request: ({ clones }) => clones.reset(ref('a'), { keepAs: snapshotName('kept') }, caller),
    after: ['mine', 'first'],
    states: (succeeded) => [succeeded ? 'ready' : 'stopped'],
  },
  {
    name: 'commit of a stopped clone',
    prepare: stop,
    request: ({ clones }) => clones.commit(ref('a'), { message: 'm' }, caller),
    after: ['mine'],
    states: () => ['stopped'],
  },
  {
    name: 'clone of a clone',
    request: ({ clones }) => clones.copy(ref('a'), { name: cloneName('b') }, caller),
    after: ['mine'],
    check: checkBranchStart,
  },
  {
    name: 'stop',
    request: ({ clones }) => clones.stop(ref('a'), caller),
    after: ['mine'],
    states: (succeeded) => [succeeded ? 'stopped' : 'ready'],
    check: checkStopped,
  },
  {
    name: 'start of a clone that a person stopped',
    prepare: stopForGood,
    request: ({ clones }) => clones.start(ref('a'), caller),
    after: ['mine'],
    states: (succeeded) => (succeeded ? ['ready'] : ['stopped', 'ready']),
    check: checkStopped,
  },
  {
    name: 'reset of a clone that a person stopped',
    prepare: stopForGood,
    request: ({ clones }) => clones.reset(ref('a'), {}, caller),
    after: ['mine', 'first'],
    states: (succeeded) => [succeeded ? 'ready' : 'stopped'],
    check: checkStopped,
  },
  {
    name: 'commit of a clone that a person stopped',
    prepare: stopForGood,
    request: ({ clones }) => clones.commit(ref('a'), { message: 'm' }, caller),
    after: ['mine'],
    states: () => ['stopped'],
    check: checkStopped,
  },
  {
    name: 'rename',
    prepare: (engine) =>
      engine.done(({ clones }) => clones.bind(ref('a'), feature, 'shared', caller)).then(() => undefined),
    request: ({ clones }) => clones.rename(ref('a'), cloneName('z'), caller),
    after: ['mine'],
    called: ['a', 'z'],
    async check(engine) {
      const [clone] = engine.store.clones.list();
      assert.deepEqual([clone?.branch, clone?.repository], [feature.branch, feature.repository]);
      await checkTags(engine);
    },
  },
  {
    name: 'snapshot edit',
    request: ({ environments }) =>
      environments.editSnapshot(ref('base'), { name: snapshotName('z'), message: 'm' }, caller),
    after: ['mine'],
    async check(engine) {
      const edited = engine.store.snapshots.list().map(({ name, message }) => [name, message]);
      assert.ok(
        JSON.stringify(edited) === '[["base",null],["spare",null]]' ||
          JSON.stringify(edited) === '[["z","m"],["spare",null]]',
        JSON.stringify(edited),
      );
      await checkTags(engine);
    },
  },
  {
    name: 'commit',
    request: ({ clones }) => clones.commit(ref('a'), { message: 'm', name: snapshotName('c') }, caller),
    after: ['mine'],
  },
  {
    name: 'destroy',
    request: ({ clones }) => clones.destroy(ref('a'), caller),
    after: ['mine', 'none'],
    removes: true,
  },
  {
    name: 'refresh',
    request: ({ environments }) => environments.refresh(ref('shop'), {}, caller),
    after: ['mine'],
  },
  {
    name: 'delete of a snapshot',
    request: ({ environments }) => environments.deleteSnapshot(ref('spare'), caller),
    after: ['mine'],
  },
  {
    name: 'delete of an environment',
    request: ({ environments }) => environments.delete(ref('other'), caller),
    after: ['mine'],
  },
];

/** One ready clone `a` with data of its own, a snapshot that nobody uses, and an environment without clones. */
async function prepare(options: MemoryEngineOptions & { other?: boolean }): Promise<MemoryEngine> {
  const engine = await openMemoryEngine({ ...options, seed: 7 });
  const refresh = (name: string, as: string) =>
    engine.done(({ environments }) => environments.refresh(ref(name), { name: snapshotName(as) }, caller));
  if (options.other === true) {
    engine.declare('other', { orders: 'x' });
    await refresh('other', 'others');
  }
  engine.declare('shop', { orders: 'first', users: 'first' });
  await refresh('shop', 'spare');
  await refresh('shop', 'base');
  await engine.done(({ clones }) =>
    clones.create({ environment: ref('shop'), name: cloneName('a') }, caller),
  );
  await engine.write('a', 'mine');
  assert.deepEqual(await engine.violations(), []);
  return engine;
}

/** Strikes the operation's n-th call of a port or write of the state, for n = 1, 2, 3 ... until it passes without being struck. */
async function everyCall(
  operation: Operation,
  strike: Pick<Strike, 'how' | 'when'>,
  options: MemoryEngineOptions & { reboot?: boolean },
): Promise<number> {
  for (let nth = 1; ; nth++) {
    const engine = await prepare({ ...options, other: operation.name === 'delete of an environment' });
    await operation.prepare?.(engine);
    const life = engine.life();
    life.gate.calls.length = 0;
    const where = () =>
      `${operation.name}, ${strike.how} ${strike.when} call ${nth} (${life.gate.calls[nth - 1] ?? 'none'})`;
    life.gate.strike = { ...strike, nth };
    let accepted: Job | undefined;
    let end: Job | undefined;
    try {
      const request = Promise.race([Promise.resolve(operation.request(life.services)), life.gate.killed]);
      accepted = (await asTimePasses(engine.clock, life.gate, request)) ?? undefined;
      if (accepted !== undefined) end = await endOf(engine.clock, engine.life(), accepted);
    } catch (error) {
      // Refused before there was a job: nothing may have changed.
      assert.match(String(error), /ordered at|this engine was killed/, where());
    }
    await life.quiet();
    if (end !== undefined) assert.ok(['succeeded', 'failed'].includes(end.state), `${where()}: ${end.state}`);
    if (strike.how === 'fail' && end?.state === 'failed')
      assert.notEqual(end.error?.code, 'internal', `${where()}: ${end.error?.message ?? ''}`);
    // The gate has let go of the order when it was carried out.
    const struck = !life.gate.armed();

    if (struck) {
      await engine.restart({ reboot: options.reboot ?? false });
      // A removal that was accepted and failed may be asked for again, and then ends.
      if (end?.state === 'failed' && operation.removes === true) {
        const half = engine.store.clones.list().find(({ state }) => state === 'failed');
        if (half !== undefined) await engine.done(({ clones }) => clones.destroy(ref(half.id), caller));
      }
      assert.deepEqual(await engine.violations(), [], where());
      await operation.check?.(engine);
      const a = engine.store.clones.list().find(({ name }) => (operation.called ?? ['a']).includes(name));
      if (a === undefined) assert.ok(operation.after.includes('none'), `${where()}: clone a is gone`);
      else {
        const last = accepted === undefined ? undefined : engine.store.jobs.get(accepted.id);
        const states = operation.states?.(last?.state === 'succeeded') ?? ['ready'];
        assert.ok(states.includes(a.state), `${where()}: ${a.state} ${a.problem ?? ''}`);
        const texts = new Set(Object.values(await engine.read(a.name)));
        assert.equal(texts.size, 1, `${where()}: members differ`);
        const [text] = texts;
        assert.ok(
          operation.after.some((each) => each === text),
          `${where()}: clone a holds ${text ?? ''}`,
        );
      }
    }
    await engine.close();
    if (!struck) return nth - 1;
  }
}

describe('at every single call of a port and every write of the state', () => {
  for (const operation of operations) {
    for (const when of ['before', 'after'] as const) {
      it(`a ${operation.name} that fails ${when} it ends, and nothing is lost or left`, async () => {
        assert.ok((await everyCall(operation, { how: 'fail', when }, {})) > 1);
      });
    }
    // Killed before a call is as good as killed after the one before it.
    it(`a ${operation.name} whose engine is killed is finished or undone by the next engine`, async () => {
      assert.ok((await everyCall(operation, { how: 'kill', when: 'after' }, {})) > 1);
    });
    it(`a ${operation.name} during which the machine goes down is finished or undone, with all clones up`, async () => {
      await everyCall(operation, { how: 'kill', when: 'after' }, { reboot: true });
    });
    it(`a ${operation.name} on a store that copies only what is stopped is finished or undone too`, async () => {
      await everyCall(operation, { how: 'kill', when: 'after' }, { capabilities: { live: false } });
    });
  }
});
