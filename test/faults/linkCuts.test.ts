/** The link to another host is cut at random moments of create, reset, destroy and refresh: each ends done or undone, once. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../engine/protocol/client.ts';
import type { Job, JobType } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import type { Overview } from '../../engine/protocol/events.ts';
import { thorough, unlessLong } from '../support/long.ts';
import { chooseSeed, seeded } from '../support/seeds.ts';
import { until } from '../support/workOfClient.ts';
import { openFarWorld, type FarWorld } from './farWorld.ts';
import { openNearApp, type NearApp } from './nearApp.ts';
import { environment, origin } from './world.ts';

type Asking = (client: Client, idempotencyKey: string) => Promise<{ job: Job }>;

interface Operation {
  type: JobType;
  /** With the name of a clone that is there. */
  request: (clone: string) => Asking;
  /** What one that is done adds. */
  adds: { clones: number; snapshots: number };
}

const params = (clone: string) => ({ params: { clone: `big/${clone}` } });
/** Names are the host's to give, so that what is done twice is there twice. */
const create: Operation = {
  type: 'clone.create',
  request: () => (client, idempotencyKey) =>
    client.call('cloneCreate', { body: { environment: `big/${environment}` } }, { idempotencyKey }),
  adds: { clones: 1, snapshots: 0 },
};
const operations: readonly Operation[] = [
  create,
  {
    type: 'clone.reset',
    request: (clone) => (client, idempotencyKey) =>
      client.call('cloneReset', { ...params(clone), body: {} }, { idempotencyKey }),
    adds: { clones: 0, snapshots: 0 },
  },
  {
    type: 'clone.destroy',
    request: (clone) => (client, idempotencyKey) =>
      client.call('cloneDestroy', params(clone), { idempotencyKey }),
    adds: { clones: -1, snapshots: 0 },
  },
  {
    type: 'environment.refresh',
    request: () => (client, idempotencyKey) =>
      client.call(
        'environmentRefresh',
        { params: { environment: `big/${environment}` }, body: {} },
        { idempotencyKey },
      ),
    adds: { clones: 0, snapshots: 1 },
  },
];

/** What breaks: the line for a moment or for longer, the bridge, or the engine there as well. */
const breaks = ['cut', 'cut', 'away', 'bridge', 'engine'] as const;

describe('a link that is cut at any moment', function () {
  let far: FarWorld;
  let near: NearApp;
  let client: Client;
  const seed = chooseSeed();
  const random = seeded(seed);
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[Math.floor(random() * items.length)];
    assert.ok(item !== undefined);
    return item;
  };
  before(async function () {
    this.timeout(120_000);
    far = await openFarWorld('big');
    near = await openNearApp({ big: far.link });
    ({ client } = near);
  });
  after(async () => {
    await near.close();
    await far.dispose();
  });

  /** Of the engine there, which tells it itself. */
  const there = async (): Promise<Overview> => (await far.world.client()).call('overview', {});
  /** As a person does that was told that the host is out of reach: the same request again, until it is answered. */
  const insist = async <Answer>(ask: () => Promise<Answer>): Promise<Answer> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!isFailure(error, 'host_unreachable')) throw error;
        await sleep(5);
      }
    }
  };
  const endOf = async ({ id }: Pick<Job, 'id'>): Promise<Job> => {
    for (;;) {
      const job = await insist(() => client.call('jobShow', { params: { job: id } }));
      if (job.endedAt !== null) return job;
      await sleep(5);
    }
  };
  const done = async (request: () => Promise<{ job: Job }>): Promise<Job> => {
    const job = await endOf((await insist(request)).job);
    assert.equal(job.state, 'succeeded', job.error?.message);
    return job;
  };
  const breakLine = async (how: (typeof breaks)[number]): Promise<void> => {
    if (how === 'bridge') far.killBridges();
    if (how === 'engine') {
      far.line.cut();
      await far.world.engine.kill();
    }
    if (how === 'cut') far.line.cut();
    if (how === 'away') {
      far.line.refuse(true);
      await sleep(random() * 1500);
      far.line.refuse(false);
    }
  };
  /** A client as VS Code has one: what it holds follows the events, and is read anew when it is told to. */
  const follow = () => {
    const leaving = new AbortController();
    const ends = new Map<string, Set<string>>();
    const problems: string[] = [];
    const hear = (job: Job): void => {
      const seen = ends.get(job.id) ?? new Set();
      ends.set(job.id, seen);
      if (job.endedAt !== null) seen.add(job.state);
      else if (seen.size > 0) problems.push(`${job.title} goes on after its end`);
    };
    const running = (async () => {
      for (;;) {
        const overview = await client.call('overview', {});
        overview.jobs.forEach(hear);
        for await (const event of client.events(overview, leaving.signal)) {
          if (event.kind === 'job') hear(event.entity);
          if (event.kind === 'resync') break;
        }
        if (leaving.signal.aborted) return;
      }
    })();
    return {
      ends,
      problems,
      leave: () => leaving.abort(),
      left: running,
    };
  };
  /** What people see of the host, as both sides tell it. */
  const shown = ({ clones, snapshots, jobs }: Overview): unknown => ({
    clones: clones.map(({ id, name, state, problem }) => ({ id, name, state, problem })).sort(byId),
    snapshots: snapshots.map(({ id, name, state, clones: on }) => ({ id, name, state, on })).sort(byId),
    jobs: jobs.map(({ id, state, tasks, error }) => ({ id, state, tasks, error })).sort(byId),
  });
  const byId = (one: { id: string }, other: { id: string }): number => one.id.localeCompare(other.id);

  const cuts = unlessLong([12, 200], (_, index) => index === 0, 'cuts of a link: ').at(-1) ?? 0;
  it('leaves nothing half done, doubled or orphaned, and what is told of it here is true', async function () {
    this.timeout(cuts * 60_000);
    /** Milliseconds from the request to its answer, and to the end of its job, where nothing breaks. */
    const usual = new Map<JobType, { answered: number; ended: number }>();
    const told = { done: 0, undone: 0, inFlight: 0 };
    const listening = follow();
    let cut = -operations.length;
    let how: (typeof breaks)[number] | undefined;
    let operation = operations[0];
    try {
      for (; cut < cuts; cut++) {
        operation = operations[(cut + operations.length) % operations.length];
        assert.ok(operation !== undefined);
        const { clones } = await there();
        const missing = 2 - clones.length;
        for (let made = 0; made < missing; made++)
          await done(() => create.request('')(client, `made-${seed}-${cut}-${made}`));
        const before = await there();
        const subject: string = pick(before.clones).name;
        await far.world.write(subject, 'changed');

        const key = `cut-${seed}-${cut}`;
        const ask = operation.request(subject);
        const started = performance.now();
        let answeredAt: number | undefined;
        const asked = insist(() => ask(client, key)).finally(() => (answeredAt = performance.now()));
        asked.catch(() => undefined); // awaited below
        if (cut >= 0) {
          how = pick(breaks);
          // Each second one while the answer is on its way; and a little longer than it takes, so that what follows its end is struck too.
          const { answered = 0, ended = 0 } = usual.get(operation.type) ?? {};
          await sleep(random() * (random() < 0.5 ? answered : ended) * 1.2);
          if (answeredAt === undefined) told.inFlight += 1;
          await breakLine(how);
        }
        const { job } = await asked;
        const end = await endOf(job);
        if (cut < 0)
          usual.set(operation.type, {
            answered: (answeredAt ?? started) - started,
            ended: performance.now() - started,
          });
        if (cut < 0 || how !== 'engine') assert.equal(end.state, 'succeeded', end.error?.message);
        const isDone = end.state === 'succeeded';
        if (!isDone) assert.equal(end.error?.code, 'interrupted');
        if (cut >= 0) told[isDone ? 'done' : 'undone'] += 1;

        const { job: again } = await insist(() => ask(client, key));
        assert.deepEqual([again.id, again.state], [job.id, end.state], 'the same request again');
        await far.world.checkNothingLeft();
        const after = await there();
        const isNew = ({ id }: Job): boolean => !before.jobs.some((each) => each.id === id);
        assert.deepEqual(
          after.jobs
            .filter(({ type, ...each }) => type === operation?.type && isNew(each as Job))
            .map(({ id }) => id),
          [job.id],
          'jobs there',
        );
        const { adds } = operation;
        assert.equal(after.clones.length - before.clones.length, isDone ? adds.clones : 0, 'clones');
        assert.equal(
          after.snapshots.length - before.snapshots.length,
          isDone ? adds.snapshots : 0,
          'snapshots',
        );
        if (after.clones.some(({ name }) => name === (subject as never)))
          assert.equal(
            await far.world.read(subject),
            operation.type === 'clone.reset' && isDone ? origin : 'changed',
          );
        // The latest events may be on their way.
        await until(async () => {
          const here = await client.call('overview', {});
          return JSON.stringify(shown(here)) === JSON.stringify(shown(await there()));
        });
        await until(() => listening.ends.get(job.id)?.has(end.state) === true);
        assert.deepEqual([...(listening.ends.get(job.id) ?? [])], [end.state]);
        if (after.snapshots.length > 3)
          for (const { id } of after.snapshots.filter(({ clones: on }) => on.length === 0).slice(1))
            await done(() => client.call('snapshotDelete', { params: { snapshot: id } }));
      }
      assert.deepEqual(listening.problems, []);
      assert.equal(told.done + told.undone, cuts);
      if (thorough) console.log(`      ${cuts} cuts with THIN_CLONES_SEED=${seed}: ${JSON.stringify(told)}`);
    } catch (error) {
      const where = `${operation?.type ?? ''}, ${how ?? 'nothing'} broken`;
      throw new Error(`with THIN_CLONES_SEED=${seed}, cut ${cut} (${where}): ${String(error)}`, {
        cause: error,
      });
    } finally {
      listening.leave();
    }
  });
});
