/** The engine is killed with -9 at every journal step of every operation, and at random moments. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../engine/protocol/client.ts';
import type { Checkout, Connection, Job, JobType } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { makeRealPlace, type RealPlace } from '../contract/git/realGit.ts';
import { thorough } from '../support/long.ts';
import { chooseSeed, seeded } from '../support/seeds.ts';
import { codeOf, environment, fillWorld, openWorld, origin, type World } from './world.ts';

const phases = ['before', 'effect', 'after'] as const;
const chance = seeded(chooseSeed());
/**
 * Nothing is journalled between the end of a step and the beginning of the next, so one of the two is enough; and of what a kill
 * meets before and after the journal knows a step's effect, each run takes one by chance. What fails names its point.
 */
const phasesOf = (index: number): readonly (typeof phases)[number][] =>
  thorough ? phases : [...(index === 0 ? (['before'] as const) : []), chance() < 0.5 ? 'effect' : 'after'];

interface Operation {
  name: string;
  type: JobType;
  /** After the job's end it removes something. */
  goesOn?: true;
  /** Brings the subject there; the number makes names new. */
  prepare(world: World, round: number): Promise<void>;
  request(client: Client, round: number): Promise<{ job: Job }>;
  /** What must be true when the job is said to have succeeded, or to have been undone. */
  check(world: World, succeeded: boolean, round: number): Promise<void>;
}

const subject = 'subject';
const params = { clone: subject };

async function has(world: World, kind: 'clones' | 'snapshots', name: string): Promise<boolean> {
  const overview = await (await world.client()).call('overview', {});
  return overview[kind].some((each) => each.name === (name as never));
}
async function ensureSubject(world: World, round: number): Promise<void> {
  if (!(await has(world, 'clones', subject)))
    await world.done((client) =>
      client.call('cloneCreate', { body: { environment, snapshot: 'first', name: subject } }),
    );
  await world.write(subject, `changed ${round}`);
}
async function withoutSubject(world: World): Promise<void> {
  if (await has(world, 'clones', subject))
    await world.done((client) => client.call('cloneDestroy', { params }));
}
async function dropSnapshot(world: World, name: string): Promise<void> {
  if (await has(world, 'snapshots', name))
    await world.done((client) => client.call('snapshotDelete', { params: { snapshot: name } }));
}

/** Where the working tree is that a clone is bound in. */
let place: RealPlace | undefined;
let checkout: Checkout | undefined;
const checkoutParams = () => ({ checkout: checkout?.id ?? '' });

/** A new branch is checked out, and nothing is made for it before somebody says so. */
async function openBranch(world: World, round: number): Promise<void> {
  place ??= await makeRealPlace();
  const folder = join(place.folder, `shop-${round}`);
  await place.run(place.folder, 'init', '--quiet', '--initial-branch', `bind-${round}`, folder);
  const client = await world.client();
  checkout = await client.call('checkoutOpen', { body: { folder, environment, follow: 'ask' } });
  assert.equal(checkout.state, 'asking');
}

const operations: readonly Operation[] = [
  {
    name: 'create',
    type: 'clone.create',
    prepare: withoutSubject,
    request: (client) =>
      client.call('cloneCreate', { body: { environment, snapshot: 'first', name: subject } }),
    async check(world, succeeded) {
      assert.equal(await has(world, 'clones', subject), succeeded);
      if (succeeded) assert.equal(await world.read(subject), origin);
    },
  },
  {
    name: 'reset',
    type: 'clone.reset',
    goesOn: true,
    prepare: ensureSubject,
    request: (client) => client.call('cloneReset', { params, body: {} }),
    async check(world, succeeded, round) {
      assert.equal(await world.read(subject), succeeded ? origin : `changed ${round}`);
    },
  },
  {
    name: 'reset with the state kept',
    type: 'clone.reset',
    prepare: ensureSubject,
    request: (client, round) => client.call('cloneReset', { params, body: { keepAs: `kept-${round}` } }),
    async check(world, succeeded, round) {
      assert.equal(await world.read(subject), succeeded ? origin : `changed ${round}`);
      assert.equal(await has(world, 'snapshots', `kept-${round}`), succeeded);
      if (!succeeded) return;
      await world.done((client) =>
        client.call('cloneReset', { params, body: { snapshot: `kept-${round}` } }),
      );
      assert.equal(await world.read(subject), `changed ${round}`);
      await world.done((client) => client.call('cloneReset', { params, body: { snapshot: 'first' } }));
      await dropSnapshot(world, `kept-${round}`);
    },
  },
  {
    name: 'commit',
    type: 'clone.commit',
    prepare: ensureSubject,
    request: (client, round) =>
      client.call('cloneCommit', { params, body: { message: 'a crash', name: `commit-${round}` } }),
    async check(world, succeeded, round) {
      assert.equal(await world.read(subject), `changed ${round}`);
      assert.equal(await has(world, 'snapshots', `commit-${round}`), succeeded);
      await dropSnapshot(world, `commit-${round}`);
    },
  },
  {
    name: 'bind',
    type: 'clone.bind',
    async prepare(world, round) {
      await ensureSubject(world, round);
      await openBranch(world, round);
    },
    async request(client) {
      await client.call('checkoutUse', { params: checkoutParams(), body: { clone: subject } });
      const { items } = await client.call('jobList', { query: {} });
      const job = items.find(({ type }) => type === 'clone.bind');
      assert.ok(job !== undefined);
      return { job };
    },
    async check(world, succeeded, round) {
      const client = await world.client();
      assert.equal((await world.clone(subject)).branch, succeeded ? `bind-${round}` : null);
      assert.equal(await world.read(subject), `changed ${round}`);
      const found = await client.call('checkoutShow', { params: checkoutParams() });
      assert.equal(found.state, succeeded ? 'ready' : 'asking');
      const { items } = await client.call('checkoutConnection', { params: checkoutParams() });
      const [login] = items;
      assert.ok(login !== undefined);
      if (succeeded) assert.equal(await world.readAt(login), `changed ${round}`);
      else await assert.rejects(world.readAt(login), /has no clone yet/);
      await client.call('checkoutForget', { params: checkoutParams() });
      await withoutSubject(world);
    },
  },
  {
    name: 'rename',
    type: 'clone.rename',
    prepare: ensureSubject,
    request: (client) => client.call('cloneRename', { params, body: { name: 'renamed' } }),
    async check(world, succeeded, round) {
      assert.deepEqual(
        [await has(world, 'clones', subject), await has(world, 'clones', 'renamed')],
        [!succeeded, succeeded],
      );
      if (succeeded)
        await world.done((client) =>
          client.call('cloneRename', { params: { clone: 'renamed' }, body: { name: subject } }),
        );
      assert.equal(await world.read(subject), `changed ${round}`);
    },
  },
  {
    name: 'start',
    type: 'clone.start',
    prepare: ensureSubject,
    request: (client) => client.call('cloneStart', { params }),
    async check(world, _succeeded, round) {
      assert.equal(await world.read(subject), `changed ${round}`);
    },
  },
  {
    name: 'stop',
    type: 'clone.stop',
    prepare: ensureSubject,
    request: (client) => client.call('cloneStop', { params }),
    async check(world, succeeded, round) {
      const { state, stoppedBy } = await world.clone(subject);
      assert.deepEqual([state, stoppedBy !== null], succeeded ? ['stopped', true] : ['ready', false]);
      if (succeeded) await world.done((client) => client.call('cloneStart', { params }));
      assert.equal((await world.clone(subject)).stoppedBy, null);
      assert.equal(await world.read(subject), `changed ${round}`);
    },
  },
  {
    name: 'destroy',
    type: 'clone.destroy',
    prepare: ensureSubject,
    request: (client) => client.call('cloneDestroy', { params }),
    async check(world, succeeded, round) {
      assert.equal(await has(world, 'clones', subject), !succeeded);
      if (!succeeded) assert.equal(await world.read(subject), `changed ${round}`);
    },
  },
  {
    name: 'refresh',
    type: 'environment.refresh',
    prepare: async () => undefined,
    request: (client, round) =>
      client.call('environmentRefresh', { params: { environment }, body: { name: `refresh-${round}` } }),
    async check(world, succeeded, round) {
      assert.equal(await has(world, 'snapshots', `refresh-${round}`), succeeded);
      await dropSnapshot(world, `refresh-${round}`);
    },
  },
  {
    name: 'snapshot edit',
    type: 'snapshot.edit',
    prepare: async () => undefined,
    request: (client, round) =>
      client.call('snapshotEdit', { params: { snapshot: 'first' }, body: { message: `edited ${round}` } }),
    async check(world, succeeded, round) {
      const found = await (await world.client()).call('snapshotShow', { params: { snapshot: 'first' } });
      assert.equal(found.message === `edited ${round}`, succeeded);
    },
  },
  {
    name: 'snapshot delete',
    type: 'snapshot.delete',
    async prepare(world, round) {
      await ensureSubject(world, round);
      await world.done((client) =>
        client.call('cloneCommit', { params, body: { message: 'to delete', name: 'doomed' } }),
      );
    },
    request: (client) => client.call('snapshotDelete', { params: { snapshot: 'doomed' } }),
    async check(world, succeeded, round) {
      assert.equal(await has(world, 'snapshots', 'doomed'), !succeeded);
      if (!succeeded) {
        await world.done((client) => client.call('cloneReset', { params, body: { snapshot: 'doomed' } }));
        assert.equal(await world.read(subject), `changed ${round}`);
        await world.done((client) => client.call('cloneReset', { params, body: { snapshot: 'first' } }));
      }
      await dropSnapshot(world, 'doomed');
    },
  },
];

describe('an engine killed with -9', function () {
  this.timeout(120_000);
  let world: World;
  let bystander: Connection;
  let round = 0;
  before(async () => {
    world = await openWorld();
    await fillWorld(world);
    await world.done((client) => client.call('cloneCreate', { body: { environment, name: 'bystander' } }));
    await world.write('bystander', 'mine');
    bystander = await world.connection('bystander');
  });
  after(async () => {
    await world.dispose();
    await place?.dispose();
  });

  const checkAll = async (): Promise<void> => {
    await world.checkNothingLeft();
    assert.deepEqual(await world.connection('bystander'), bystander);
    assert.equal(await world.readAt(bystander), 'mine');
  };

  for (const operation of operations) {
    describe(`during ${operation.name}`, () => {
      let steps = 0;
      it('is not needed for it to succeed, and leaves nothing behind', async () => {
        round += 1;
        await operation.prepare(world, round);
        const job = await world.done((client) => operation.request(client, round));
        assert.equal(job.type, operation.type);
        await operation.check(world, true, round);
        await checkAll();
        steps = job.tasks.length;
      });
      it('is finished or undone wherever it was killed, and everything else is as it was', async function () {
        this.timeout(180_000);
        for (let index = 0; index < steps; index++)
          for (const phase of phasesOf(index))
            await killedAt(`${operation.type}/${index}/${phase}`, operation);
        if (operation.goesOn === true) await killedAt(`${operation.type}/ended`, operation);
      });
    });
  }

  it('loses no clone and leaves nothing behind when it happens at any moment, again and again', async function () {
    const wanted = thorough ? 100 : 10;
    this.timeout(wanted * 60_000);
    const seed = chooseSeed();
    const random = seeded(seed);
    const pick = <Item>(items: readonly Item[]): Item | undefined =>
      items[Math.floor(random() * items.length)];
    let kills = 0;
    try {
      while (kills < wanted) {
        const { client, info } = await world.connect();
        const killed = sleep(20 + random() * 400).then(() => process.kill(info.pid, 'SIGKILL'));
        const work = async (): Promise<void> => {
          for (;;) {
            const { clones } = await client.call('overview', {});
            const clone = pick(clones.filter(({ name }) => name !== ('bystander' as never)))?.name;
            const requests = [
              () => client.call('cloneCreate', { body: { environment, snapshot: 'first' } }),
              ...(clone === undefined || clones.length < 3
                ? []
                : [
                    () => client.call('cloneReset', { params: { clone }, body: {} }),
                    () => client.call('cloneDestroy', { params: { clone } }),
                    () => client.call('cloneStart', { params: { clone } }),
                  ]),
            ];
            await pick(requests)?.().catch((error: unknown) => {
              if (!isFailure(error) || isFailure(error, 'engine_unreachable')) throw error;
            });
            await sleep(random() * 60);
          }
        };
        await codeOf(work());
        await killed;
        await world.gone(info.pid);
        kills += 1;
        await checkAll();
        for (const { name } of (await (await world.client()).call('overview', {})).clones)
          assert.equal(await world.read(name), name === ('bystander' as never) ? 'mine' : origin);
      }
    } catch (error) {
      throw new Error(`with THIN_CLONES_SEED=${seed}, after ${kills} kills: ${String(error)}`, {
        cause: error,
      });
    }
  });

  it('finishes or undoes each commit and each kept state that it had acknowledged, whenever it happens', async function () {
    this.timeout(240_000);
    const seed = chooseSeed();
    const random = seeded(seed);
    const kept = operations.filter(({ name }) => ['commit', 'reset with the state kept'].includes(name));
    const ends = { succeeded: 0, undone: 0 };
    const kills = thorough ? 300 : 10;
    // As long as such a job takes here, and a little more: also what follows its end is struck.
    let longest = 0;
    for (let kill = 0; kill < kills; kill++) {
      const operation = kept[kill % kept.length];
      assert.ok(operation !== undefined);
      try {
        round += 1;
        await operation.prepare(world, round);
        const { client, info } = await world.connect();
        const started = performance.now();
        const { job } = await operation.request(client, round);
        if (kill < kept.length) {
          await world.ended(job);
          longest = Math.max(longest, performance.now() - started);
        } else await sleep(random() * longest * 1.2);
        process.kill(info.pid, 'SIGKILL');
        await world.gone(info.pid);

        const after = await (await world.client()).call('jobShow', { params: { job: job.id } });
        assert.notEqual(after.endedAt, null);
        const succeeded = after.state === 'succeeded';
        if (!succeeded) assert.equal(after.error?.code, 'interrupted');
        ends[succeeded ? 'succeeded' : 'undone'] += 1;
        await checkAll();
        await operation.check(world, succeeded, round);
      } catch (error) {
        throw new Error(`with THIN_CLONES_SEED=${seed}, kill ${kill} (${operation.name}): ${String(error)}`, {
          cause: error,
        });
      }
    }
    assert.equal(ends.succeeded + ends.undone, kills);
  });

  async function killedAt(point: string, operation: Operation): Promise<void> {
    try {
      round += 1;
      await operation.prepare(world, round);
      // One more start without anything to recover changes nothing.
      const settled = await world.portrait();
      await world.engine.stop();
      const { client, info } = await world.connect({ THIN_CLONES_CRASH_AT: point });
      assert.deepEqual(await world.portrait(), settled);
      await operation.request(client, round).catch((error: unknown) => {
        if (!isFailure(error, 'engine_unreachable')) throw error;
      });
      await world.gone(info.pid);
      assert.equal(await world.readAt(bystander), 'mine');

      const { jobs } = await (await world.client()).call('overview', {});
      const job = jobs[0];
      assert.equal(job?.type, operation.type);
      assert.notEqual(job.endedAt, null);
      if (job.state !== 'succeeded') {
        assert.equal(job.state, 'failed');
        assert.equal(job.error?.code, 'interrupted');
      }
      await checkAll();
      await operation.check(world, job.state === 'succeeded', round);
    } catch (error) {
      throw new Error(`killed at ${point}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
});
