/** Two hosts behind lines of their own: one goes dead, is switched off or is full of work, and what is told here stays true. */
import assert from 'node:assert/strict';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection, Host, Job } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import type { Overview } from '../../engine/protocol/events.ts';
import { thorough, unlessLong } from '../support/long.ts';
import { loginOf, succeeded, until } from '../support/workOfClient.ts';
import { openFarWorld, type FarWorld } from './farWorld.ts';
import { openNearApp, type NearApp } from './nearApp.ts';
import { environment, origin } from './world.ts';

describe('two hosts behind lines', function () {
  this.timeout(240_000);
  let big: FarWorld;
  let small: FarWorld;
  let near: NearApp;
  let client: Client;
  let folder: string;
  /** By so much the clock of this machine is ahead of the time that tests see. */
  let passedMs = 0;
  /** The clock of the small one is off by so much from now on. */
  const setClock = (offMs: number): void => {
    writeFileSync(join(folder, 'new'), String(offMs));
    renameSync(join(folder, 'new'), join(folder, 'off'));
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-far-clock-'));
    big = await openFarWorld('big');
    small = await openFarWorld('small', {
      variables: {
        NODE_OPTIONS: `--import=${new URL('../support/shiftedClock.ts', import.meta.url).href}`,
        THIN_CLONES_TEST_CLOCK: join(folder, 'off'),
      },
    });
    near = await openNearApp(
      { big: big.link, small: small.link },
      {
        now: () => new Date(Date.now() + passedMs),
        monotonic: () => performance.now() + passedMs,
        sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }),
      },
    );
    ({ client } = near);
    for (const name of ['kept', 'other'])
      await done(client.call('cloneCreate', { body: { environment: `big/${environment}`, name } }));
    await done(client.call('cloneCreate', { body: { environment: `small/${environment}`, name: 'near' } }));
  });
  after(async () => {
    await near.close();
    await big.dispose();
    await small.dispose();
    await rm(folder, { recursive: true });
  });

  afterEach(() => big.line.blackHole(false));

  const hostNow = (): Promise<Host> => client.call('hostShow', { params: { host: 'big' } });
  const overviewThere = async (): Promise<Overview> => (await big.world.client()).call('overview', {});
  const done = (request: Promise<{ job: Job }>): Promise<Job> => succeeded(client, request, 5);
  const connection = (clone: string): Promise<Connection> => loginOf(client, clone);

  it('tells within moments that one went dead, goes on with the other, and tells what became of the jobs when it is back', async () => {
    await big.world.write('other', 'changed');
    const login = await connection('big/kept');
    const params = { params: { environment: `big/${environment}` } };
    const begun = await Promise.all([
      client.call('cloneReset', { params: { clone: 'big/other' }, body: {} }),
      client.call('cloneCreate', { body: { environment: `big/${environment}`, name: 'during' } }),
      client.call('environmentRefresh', { ...params, body: { name: 'during' } }),
    ]);
    big.line.blackHole(true);
    const holeAt = performance.now();
    let answered = false;
    // As a person does that is told that the host is out of reach: the same once more.
    const insist = async (): Promise<{ job: Job }> => {
      for (;;)
        try {
          return await client.call(
            'cloneCreate',
            { body: { environment: `big/${environment}`, name: 'asked' } },
            { idempotencyKey: 'asked-in-the-hole' },
          );
        } catch (error) {
          if (!isFailure(error, 'host_unreachable')) throw error;
        }
    };
    const asked = insist();
    void asked.then(
      () => (answered = true),
      () => (answered = true),
    );
    const others = async (): Promise<void> => {
      for (let round = 0; round < 50; round++)
        assert.equal((await client.call('cloneShow', { params: { clone: 'near' } })).state, 'ready');
      await done(client.call('cloneReset', { params: { clone: 'small/near' }, body: {} }));
      assert.equal((await client.call('overview', {})).hosts.length, 3);
    };
    await others();
    assert.equal(answered, false, 'nothing comes through a dead line');

    await until(async () => (await hostNow()).state === 'unreachable');
    const host = await hostNow();
    assert.match(host.problem ?? '', /has not answered for \d+ s/);
    assert.notEqual(host.unreachableSince, null);
    await others();
    assert.equal(answered, false);
    // There they go on, and are told here as they were when they were last heard of.
    for (const { job } of begun) assert.equal((await big.world.ended(job)).state, 'succeeded');
    const meanwhile = await client.call('overview', {});
    for (const { job } of begun) assert.ok(meanwhile.jobs.some(({ id }) => id === job.id));

    const holeMs = unlessLong(
      [0, 30_000],
      (_, index) => index === 0,
      'milliseconds that a line stays dead: ',
    );
    if (thorough) await sleep(Math.max(0, (holeMs.at(-1) ?? 0) - (performance.now() - holeAt)));
    assert.equal(answered, false);
    big.line.blackHole(false);
    const { job } = await asked;
    await done(Promise.resolve({ job }));
    await until(async () => (await hostNow()).state === 'ready');
    assert.equal((await hostNow()).unreachableSince, null);
    const back = await client.call('overview', {});
    for (const {
      job: { id },
    } of begun)
      assert.equal(back.jobs.find((each) => each.id === id)?.state, 'succeeded');
    const found = await overviewThere();
    assert.deepEqual(found.clones.map(({ name }) => name as string).sort(), [
      'asked',
      'during',
      'kept',
      'other',
    ]);
    assert.deepEqual(found.snapshots.map(({ name }) => name as string).sort(), ['during', 'first']);
    assert.equal(await big.world.read('other'), origin);
    assert.equal(await big.world.readAt(login), origin);
    await big.world.checkNothingLeft();
  });

  it('has everything up again after one was switched off and on, at the same ports of this machine', async () => {
    await big.world.write('kept', 'mine');
    await done(client.call('cloneStop', { params: { clone: 'big/other' } }));
    const login = await connection('big/kept');
    assert.equal(await big.world.readAt(login), 'mine');
    const { engine } = big.world;
    big.line.refuse(true);
    big.killBridges();
    await engine.crashMachine();
    await rm(engine.paths.socketRoot, { recursive: true, force: true });
    await rm(engine.paths.scratch, { recursive: true, force: true });
    // What is left on the disk names processes that are others now.
    const discovery = JSON.parse(await readFile(engine.paths.discovery, 'utf8')) as object;
    await writeFile(engine.paths.discovery, JSON.stringify({ ...discovery, pid: process.pid }));
    await writeFile(engine.paths.holder, String(process.pid));
    const there = (await client.call('overview', {})).clones.filter(({ environment: of }) =>
      of.startsWith('big/'),
    );
    for (const { members } of there) {
      for (const { dataset } of members) {
        const file = join(big.world.store, 'data', dataset, 'postmaster.pid');
        if (!existsSync(file)) continue;
        const [, ...lines] = (await readFile(file, 'utf8')).split('\n');
        await writeFile(file, [String(process.pid), ...lines].join('\n'));
      }
    }
    await until(async () => (await hostNow()).state === 'unreachable');
    big.line.refuse(false);

    // Whoever asks first has the engine started; the clones are brought up meanwhile.
    await until(async () => {
      try {
        return (await client.call('cloneShow', { params: { clone: 'big/kept' } })).state === 'ready';
      } catch (error) {
        if (!isFailure(error, 'host_unreachable')) throw error;
        return false;
      }
    });
    await until(async () =>
      (await client.call('overview', {})).clones.every(
        ({ name, state }) => state === ((name as string) === 'other' ? 'stopped' : 'ready'),
      ),
    );
    assert.deepEqual(await connection('big/kept'), login);
    assert.equal(await big.world.readAt(login), 'mine');
    await done(client.call('cloneStart', { params: { clone: 'big/other' } }));
    await big.world.checkNothingLeft();
  });

  for (const hours of [1, -1])
    it(`tells the time of this machine where the clock of one is off by ${hours} hours, and nothing there ends by it`, async () => {
      setClock(hours * 3_600_000);
      const name = `clock${hours + 1}`;
      const askedAt = Date.now();
      const { job: begun } = await client.call('cloneCreate', {
        body: { environment: `small/${environment}`, name },
      });
      const job = await done(Promise.resolve({ job: begun }));
      await client.call('cloneProtect', { params: { clone: name }, body: { minutes: 60 } });
      const shown = await client.call('cloneShow', { params: { clone: name } });
      // An hour off is what it would be; half of one is what a slow machine may take.
      const isNow = (time: string | null, atMs = Date.now()): void =>
        assert.ok(
          Math.abs(Date.parse(time ?? '') - atMs) < 1_800_000,
          `${time ?? ''}, and it is ${new Date().toISOString()}`,
        );
      for (const time of [begun.createdAt, job.startedAt, job.endedAt, job.tasks[0]?.startedAt ?? null])
        isNow(time);
      isNow(shown.createdAt);
      isNow(shown.protectedUntil, askedAt + 3_600_000);
      await assert.rejects(client.call('cloneDestroy', { params: { clone: name } }), (error) => {
        assert.ok(isFailure(error, 'clone_protected'));
        isNow(error.document.details.until as string, askedAt + 3_600_000);
        assert.match(error.message, new RegExp(String(error.document.details.until)));
        return true;
      });
      // By its events too, and by what a new link tells.
      const held = async () => {
        const { clones, jobs } = await client.call('overview', {});
        return { clone: clones.find(({ id }) => id === shown.id), job: jobs.find(({ id }) => id === job.id) };
      };
      await until(async () => (await held()).clone?.protectedUntil !== null);
      for (const isAnew of [false, true]) {
        if (isAnew) {
          small.line.cut();
          await client.call('cloneShow', { params: { clone: name } });
        }
        const found = await held();
        isNow(found.clone?.createdAt ?? null);
        isNow(found.clone?.protectedUntil ?? null, askedAt + 3_600_000);
        isNow(found.job?.endedAt ?? null);
      }
      const { items } = await client.call('jobLines', { params: { job: job.id } });
      for (const { at } of items) isNow(at);
      await small.world.checkNothingLeft();
    });

  it('goes on where it was after this machine slept for a day while a job was at work', async () => {
    setClock(0);
    await done(client.call('cloneCreate', { body: { environment: `small/${environment}`, name: 'asleep' } }));
    await client.call('cloneProtect', { params: { clone: 'asleep' }, body: { minutes: 60 } });
    await small.world.write('asleep', 'changed');
    const login = await connection('small/asleep');
    const askedAt = Date.now();
    const { job } = await client.call('cloneReset', { params: { clone: 'asleep' }, body: {} });
    // Nothing is heard here of the end of the link, nor of the job's.
    small.line.halfOpen();
    assert.equal((await small.world.ended(job)).state, 'succeeded');
    const day = 24 * 3_600_000;
    passedMs = day;
    setClock(day);

    const end = await client.call('jobShow', { params: { job: job.id } });
    assert.equal(end.state, 'succeeded');
    assert.ok(Math.abs(Date.parse(end.createdAt) - askedAt) < day / 2, `begun at ${end.createdAt}`);
    await until(async () => (await client.call('hostShow', { params: { host: 'small' } })).state === 'ready');
    const { jobs, clones } = await client.call('overview', {});
    assert.equal(jobs.find(({ id }) => id === job.id)?.state, 'succeeded');
    assert.equal(
      jobs.filter(({ type, object }) => type === 'clone.reset' && object.name === 'asleep').length,
      1,
    );
    // Of its hour of protection nothing was lost.
    const found = clones.find(({ name }) => name === ('asleep' as never));
    assert.ok(Math.abs(Date.parse(found?.protectedUntil ?? '') - Date.now() - day - 3_600_000) < 1_800_000);
    await assert.rejects(client.call('cloneDestroy', { params: { clone: 'asleep' } }), (error) =>
      isFailure(error, 'clone_protected'),
    );
    assert.equal(await small.world.readAt(login), origin);
    await small.world.checkNothingLeft();
  });
});
