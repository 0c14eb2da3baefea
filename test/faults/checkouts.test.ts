/** Checkouts whose engine is killed, whose ports are taken, whose clones come and go: their ports never lead to another branch's data. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Checkout, Connection } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import {
  ask,
  openFilledCheckoutWorld,
  refusal,
  withPort,
  writeMark,
  writeWorkspace,
  type CheckoutWorld,
} from './checkoutWorld.ts';
import { thorough } from '../support/long.ts';
import { chooseSeed, seeded } from '../support/seeds.ts';
import { environment, origin, patienceMs, type World } from './world.ts';

const crashPoints = thorough
  ? ['0/before', '0/effect', '0/after', '1/effect', '1/after', '2/effect', '2/after']
  : ['0/effect', '1/effect', '2/effect'];
const resetPoints = thorough
  ? ['1/effect', '2/effect', '2/after', '3/effect', '3/after', '4/effect']
  : ['1/effect', '2/effect', '3/effect'];

describe('checkouts whose engine, ports or clones go away', function () {
  this.timeout(180_000);
  let checkouts: CheckoutWorld;
  let world: World;
  let folder: string;
  let checkout: Checkout;
  let login: Connection;
  let numbers = 0;
  const git = (...args: string[]): Promise<string> => checkouts.git(folder, ...args);
  const switchTo = async (branch: string, ...args: string[]): Promise<void> => {
    await git('checkout', '--quiet', ...args, branch);
  };
  const ready = (key: string) => checkouts.ready(checkout, key);
  const clonesOf = async (branch: string) =>
    (await checkouts.clones()).filter((clone) => clone.branch === branch);

  before(async () => {
    checkouts = await openFilledCheckoutWorld();
    ({ world } = checkouts);
    folder = await checkouts.repository('shop', ['main', 'feature']);
    checkout = await checkouts.open(folder);
    login = await checkouts.login(checkout);
    await ready('main');
    await writeMark(login, 'main');
    await switchTo('feature');
    await ready('feature');
    await writeMark(login, 'feature');
  });
  after(() => checkouts.dispose());
  beforeEach(async () => {
    await switchTo('main', '--force');
    await ready('main');
    assert.equal((await ask(login)).mark, 'main');
  });
  afterEach(async () => {
    await switchTo('main', '--force');
    await ready('main');
    for (const clone of await checkouts.clones())
      if (clone.branch !== 'main' && clone.branch !== 'feature')
        await world.done((client) => client.call('cloneDestroy', { params: { clone: clone.id } }));
    assert.deepEqual(await checkouts.login(checkout), login);
    assert.equal((await ask(login)).mark, 'main');
    assert.equal((await clonesOf('feature')).length, 1);
    await world.checkNothingLeft();
  });

  it('lead right after a kill at any moment of a switch, on the same port', async () => {
    for (const branch of ['feature', 'main', 'feature', 'main', 'feature']) {
      const { info } = await world.connect();
      const killed = git('checkout', '--quiet', branch).then(() => process.kill(info.pid, 'SIGKILL'));
      await killed;
      await world.gone(info.pid);
      await world.connect();
      await ready(branch);
      assert.equal((await ask(login)).mark, branch);
    }
  });

  it('give a branch one clone, wherever the engine is killed while that is made', async () => {
    for (const point of crashPoints) {
      const branch = `crash-${++numbers}`;
      await world.engine.stop();
      const { info } = await world.connect({ THIN_CLONES_CRASH_AT: `clone.create/${point}` });
      await switchTo(branch, '-b');
      await world.gone(info.pid);
      await world.connect();
      await ready(branch);
      assert.equal((await ask(login)).mark, origin, `killed at ${point}`);
      assert.equal((await clonesOf(branch)).length, 1, `killed at ${point}`);
      await world.checkNothingLeft();
      await switchTo('main');
      await ready('main');
    }
  });

  it('lead to the branch that was left for another one while the engine made its clone and was killed', async () => {
    const branch = `left-${++numbers}`;
    await world.engine.stop();
    const { info } = await world.connect({ THIN_CLONES_CRASH_AT: 'clone.create/1/effect' });
    await switchTo(branch, '-b');
    await world.gone(info.pid);
    await switchTo('feature');
    await world.connect();
    await ready('feature');
    assert.equal((await ask(login)).mark, 'feature');
    assert.deepEqual(await clonesOf(branch), []);
  });

  it('have the data from before or after a reset, wherever the engine is killed in it', async () => {
    const branch = `reset-${++numbers}`;
    await switchTo(branch, '-b');
    const clone = await ready(branch);
    for (const point of resetPoints) {
      await writeMark(login, `before ${point}`);
      await world.engine.stop();
      const { client, info } = await world.connect({ THIN_CLONES_CRASH_AT: `clone.reset/${point}` });
      await client.call('cloneReset', { params: { clone: clone.id }, body: {} }).catch((error: unknown) => {
        if (!isFailure(error, 'engine_unreachable')) throw error;
      });
      await world.gone(info.pid);
      await world.connect();
      assert.equal((await ready(branch)).id, clone.id);
      const [job] = (await (await world.client()).call('overview', {})).jobs;
      assert.equal(job?.type, 'clone.reset');
      const expected = job.state === 'succeeded' ? origin : `before ${point}`;
      assert.equal((await ask(login)).mark, expected, `killed at ${point}`);
    }
  });

  it('follow a branch that was checked out while no engine ran', async () => {
    await world.engine.stop();
    await switchTo('feature');
    assert.equal((await refusal(login)).code, 'ECONNREFUSED');
    await world.connect();
    await ready('feature');
    assert.equal((await ask(login)).mark, 'feature');
  });

  it('come back with the machine, and so do the servers that they lead to', async () => {
    await world.engine.crashMachine();
    await switchTo('feature');
    await world.connect();
    await ready('feature');
    assert.equal((await ask(login)).mark, 'feature');
  });

  it('tell that a stranger took their port while no engine ran, and have it back when it is free', async () => {
    await world.engine.stop();
    const stranger = await takePort(login.port);
    try {
      await world.connect();
      const taken = await checkouts.until(
        checkout,
        'a taken port',
        ({ endpoints }) => endpoints[0]?.state === 'taken',
      );
      assert.equal(taken.endpoints[0]?.port, login.port);
      await switchTo('feature');
      await ready('feature');
    } finally {
      await close(stranger);
    }
    await checkouts.until(checkout, 'its port', ({ endpoints }) => endpoints[0]?.state === 'listening');
    assert.equal((await ask(login)).mark, 'feature');
  });

  it('exchange a port that a stranger keeps for another one when that is asked for, and keep that one', async () => {
    const other = await checkouts.repository(`other-${++numbers}`, ['main']);
    const second = await checkouts.open(other);
    await checkouts.ready(second, 'main');
    const before = await checkouts.login(second);
    await world.engine.stop();
    const stranger = await takePort(before.port);
    try {
      const client = await world.client();
      await checkouts.until(second, 'a taken port', ({ endpoints }) => endpoints[0]?.state === 'taken');
      const changed = await client.call('checkoutPorts', { params: { checkout: second.id } });
      assert.equal(changed.endpoints[0]?.state, 'listening');
      const after = await checkouts.login(second);
      assert.notEqual(after.port, before.port);
      assert.equal((await ask(after)).mark, origin);
      await world.engine.stop();
      await close(stranger);
      await world.connect();
      await checkouts.ready(second, 'main');
      assert.deepEqual(await checkouts.login(second), after);
      assert.equal((await ask(after)).mark, origin);
    } finally {
      await close(stranger);
    }
    const client = await world.client();
    await client.call('checkoutForget', { params: { checkout: second.id } });
    assert.equal((await refusal(before)).code, 'ECONNREFUSED');
    const [clone] = (await checkouts.clones()).filter(({ repository }) => repository === second.repository);
    await world.done((asking) => asking.call('cloneDestroy', { params: { clone: clone?.id ?? '' } }));
  });

  it('keep the clone of a branch that was left while it was made, and make no second one', async () => {
    const branch = `quick-${++numbers}`;
    await switchTo(branch, '-b');
    await checkouts.until(
      checkout,
      'a job',
      ({ state, job, key }) => state === 'switching' && job !== null && key === branch,
    );
    await switchTo('feature');
    await ready('feature');
    assert.equal((await ask(login)).mark, 'feature');
    const [made] = await clonesOf(branch);
    assert.ok(made !== undefined);
    await switchTo(branch);
    assert.equal((await ready(branch)).id, made.id);
    assert.equal((await ask(login)).mark, origin);
  });

  it('hold a connection that comes while the clone is made, and let it in when it is there', async () => {
    const branch = `held-${++numbers}`;
    await switchTo(branch, '-b');
    await checkouts.until(
      checkout,
      'the way there',
      ({ state, key }) => state === 'switching' && key === branch,
    );
    assert.equal((await ask(login)).mark, origin);
    assert.equal((await checkouts.show(checkout)).key, branch);
  });

  for (const [name, request] of [
    ['reset', 'cloneReset'],
    ['committed', 'cloneCommit'],
  ] as const)
    it(`follow away from a clone that is being ${name}, and back to it`, async () => {
      const branch = `${name}-${++numbers}`;
      await switchTo(branch, '-b');
      const clone = await ready(branch);
      await writeMark(login, branch);
      const client = await world.client();
      const params = { clone: clone.id };
      const { job } = await (request === 'cloneReset'
        ? client.call('cloneReset', { params, body: {} })
        : client.call('cloneCommit', { params, body: { message: 'meanwhile', name: `of-${branch}` } }));
      await switchTo('feature');
      await ready('feature');
      assert.equal((await ask(login)).mark, 'feature');
      await switchTo(branch);
      assert.equal((await ready(branch)).id, clone.id);
      assert.equal((await world.ended(job)).state, 'succeeded');
      await ready(branch);
      assert.equal((await ask(login)).mark, request === 'cloneReset' ? origin : branch);
      if (request === 'cloneCommit')
        await world.done((asking) => asking.call('snapshotDelete', { params: { snapshot: `of-${branch}` } }));
    });

  it('let go of the sessions of a clone that is destroyed, say why, and make another one only when asked', async () => {
    const branch = `destroyed-${++numbers}`;
    await switchTo(branch, '-b');
    const clone = await ready(branch);
    const parting = await withPort(login, async (session) => {
      const told = new Promise<Error>((resolve) => session.on('error', resolve));
      await world.done((client) => client.call('cloneDestroy', { params: { clone: clone.id } }));
      return told;
    });
    assert.match(parting.message, /leads nowhere now: Clone .* is being destroyed/);
    const none = await checkouts.until(checkout, 'nothing', ({ state }) => state === 'none');
    assert.equal(none.clone, null);
    const refused = await refusal(login);
    assert.equal(refused.code, '57P03');
    assert.ok(refused.message.includes(none.reason ?? 'a reason'), refused.message);
    // Looking again is no wish.
    await checkouts.open(folder);
    assert.deepEqual(await clonesOf(branch), []);
    const client = await world.client();
    await client.call('checkoutUse', { params: { checkout: checkout.id }, body: {} });
    const another = await ready(branch);
    assert.notEqual(another.id, clone.id);
    assert.equal((await ask(login)).mark, origin);
  });

  it('start the server of their clone again when it was killed, with its data', async () => {
    const clone = await ready('main');
    const server = world.engine
      .processes()
      .find(({ commandLine }) => commandLine.includes(`cluster_name=${clone.members[0]?.dataset ?? ''}`));
    assert.ok(server !== undefined);
    process.kill(server.pid, 'SIGKILL');
    await world.gone(server.pid);
    // Until that is noticed, whoever comes is told; then they wait.
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const { code, message } = await refusal(login);
      if (code === 'answered') {
        assert.equal(message, 'main');
        break;
      }
      assert.equal(code, '57P03', message);
      assert.ok(performance.now() < deadline, message);
    }
    assert.equal((await ready('main')).id, clone.id);
  });

  it('say that the limit of clones is reached, and go on when there is room and somebody asks', async () => {
    const client = await world.client();
    const found = await client.call('environmentShow', { params: { environment } });
    const apply = (limit: number | undefined) =>
      client.call('environmentApply', {
        params: { name: found.name },
        body: { definition: { ...found.definition, clones: limit === undefined ? {} : { limit } } },
      });
    const branch = `limited-${++numbers}`;
    await apply(2);
    try {
      await switchTo(branch, '-b');
      const failed = await checkouts.until(checkout, 'a refusal', ({ state }) => state === 'failed');
      assert.match(failed.reason ?? '', /2/);
      assert.equal(failed.key, branch);
      assert.ok((await refusal(login)).message.includes(failed.reason ?? 'a reason'));
      assert.deepEqual(await clonesOf(branch), []);
    } finally {
      await apply(undefined);
    }
    await ready(branch);
    assert.equal((await ask(login)).mark, origin);
  });

  it('wait for the first snapshot of their environment, and for an environment that is declared later', async () => {
    const other = await checkouts.repository(`early-${++numbers}`, ['main']);
    await writeWorkspace(other, 'automatic', [], 'later');
    const early = await checkouts.open(other);
    assert.equal(early.state, 'none');
    assert.match(early.reason ?? '', /later/);
    assert.deepEqual(early.endpoints, []);
    const client = await world.client();
    const { definition } = await client.call('environmentShow', { params: { environment } });
    await client.call('environmentApply', { params: { name: 'later' }, body: { definition } });
    const failed = await checkouts.until(early, 'no snapshot', ({ state }) => state === 'failed');
    assert.match(failed.reason ?? '', /snapshot/);
    const its = await checkouts.login(early);
    assert.match((await refusal(its)).message, /snapshot/);
    await world.done((asking) =>
      asking.call('environmentRefresh', { params: { environment: 'later' }, body: {} }),
    );
    const clone = await checkouts.ready(early, 'main');
    assert.equal((await ask(its)).mark, origin);

    // And back: what the environment was is gone, and says so.
    await world.done((asking) => asking.call('cloneDestroy', { params: { clone: clone.id } }));
    await world.done((asking) => asking.call('environmentDelete', { params: { environment: 'later' } }));
    const gone = await checkouts.until(early, 'no environment', ({ reason }) =>
      /no environment/.test(reason ?? ''),
    );
    assert.equal(gone.state, 'none');
    assert.match((await refusal(its)).message, /no environment|ECONNREFUSED/);
    await client.call('checkoutForget', { params: { checkout: early.id } });
  });

  it('of two working trees of one branch lead to one clone, each through its own port', async () => {
    const second = `${folder}-twin-${++numbers}`;
    await git('worktree', 'add', '--quiet', '--force', second, 'main');
    const twin = await checkouts.open(second);
    const clone = await checkouts.ready(twin, 'main');
    assert.equal(clone.id, (await ready('main')).id);
    const its = await checkouts.login(twin);
    assert.notEqual(its.port, login.port);
    assert.equal(its.password, login.password);
    assert.equal((await ask(its)).mark, 'main');
    // A branch that both come to at once gets one clone as well.
    const branch = `both-${++numbers}`;
    await git('branch', branch);
    await Promise.all([
      switchTo(branch, '--ignore-other-worktrees'),
      checkouts.git(second, 'checkout', '--quiet', '--ignore-other-worktrees', branch),
    ]);
    assert.equal((await ready(branch)).id, (await checkouts.ready(twin, branch)).id);
    assert.equal((await clonesOf(branch)).length, 1);
    await git('worktree', 'remove', '--force', second);
    await checkouts.until(twin, 'its end', ({ state }) => state === 'none');
    assert.equal((await refusal(its)).code, '57P03');
    const client = await world.client();
    await client.call('checkoutForget', { params: { checkout: twin.id } });
  });

  it('are one for one folder, however many ask at once, from whichever folder inside', async () => {
    const other = await checkouts.repository(`many-${++numbers}`, ['main']);
    const client = await world.client();
    const found = await Promise.all(
      [other, `${other}/.`, other, other].map((path) =>
        client.call('checkoutOpen', { body: { folder: path } }),
      ),
    );
    assert.equal(new Set(found.map(({ id }) => id)).size, 1);
    const [one] = found;
    assert.ok(one !== undefined);
    const clone = await checkouts.ready(one, 'main');
    assert.equal(
      (await checkouts.clones()).filter(({ repository }) => repository === one.repository).length,
      1,
    );
    await client.call('checkoutForget', { params: { checkout: one.id } });
    await world.done((asking) => asking.call('cloneDestroy', { params: { clone: clone.id } }));
  });

  it('lose no clone, make no second one and lead right, when the engine is killed at any moment, again and again', async function () {
    const wanted = thorough ? 60 : 6;
    this.timeout(wanted * 60_000);
    const seed = chooseSeed();
    const random = seeded(seed);
    const known = new Map<string, string>();
    const done: string[] = [];
    let current = 'main';
    let kills = 0;
    try {
      while (kills < wanted) {
        const { info } = await world.connect();
        const killed = sleep(random() * 500).then(() => process.kill(info.pid, 'SIGKILL'));
        for (let count = Math.ceil(random() * 3); count > 0; count--) {
          const isNew = known.size < 6 && random() < 0.4;
          const branch = isNew ? `killed-${++numbers}` : (pick([...known.keys()]) ?? 'feature');
          done.push(`${kills}: ${branch}`);
          await switchTo(branch, ...(isNew ? ['-b'] : []));
          current = branch;
          if (isNew) known.set(branch, '');
        }
        await killed;
        await world.gone(info.pid);
        kills += 1;
        await world.connect();
        const { id } = await ready(current);
        assert.deepEqual(await checkouts.login(checkout), login);
        const found = await checkouts.clones();
        const bound = found.map(({ branch }) => branch);
        assert.equal(new Set(bound).size, bound.length, `two clones of one branch: ${bound.join(', ')}`);
        const { mark } = await ask(login);
        const before = known.get(current);
        if (before === undefined) assert.equal(mark, current);
        else if (before === '') await writeMark(login, `${current} ${id}`);
        else assert.deepEqual([mark, id], [`${current} ${before}`, before]);
        if (before === '') known.set(current, id);
        await world.checkNothingLeft();
      }
    } catch (error) {
      throw new Error(`with THIN_CLONES_SEED=${seed}, ${done.slice(-6).join('; ')}: ${String(error)}`, {
        cause: error,
      });
    }

    function pick<Item>(items: readonly Item[]): Item | undefined {
      return items[Math.floor(random() * items.length)];
    }
  });

  it('keep bindings, ports, user and password when the state is lost', async () => {
    const before = await checkouts.clones();
    await switchTo('feature');
    await ready('feature');
    await world.engine.stop();
    await removeState(world);
    await world.connect();
    const client = await world.client();
    assert.deepEqual((await client.call('checkoutList', {})).items, []);
    checkout = await checkouts.open(folder);
    await ready('feature');
    assert.deepEqual(await checkouts.login(checkout), login);
    assert.equal((await ask(login)).mark, 'feature');
    await switchTo('main');
    await ready('main');
    assert.equal((await ask(login)).mark, 'main');
    const portrait = (clones: typeof before) =>
      clones
        .map(({ id, branch, repository }) => ({ id, branch, repository }))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    assert.deepEqual(portrait(await checkouts.clones()), portrait(before));
  });
});

async function removeState({ engine }: World): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) await rm(`${engine.paths.state}${suffix}`, { force: true });
}

async function takePort(port: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
}
