/** Two people, two windows, the same request twice, names nobody foresaw: one effect, and clear refusals. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client } from '../../engine/protocol/client.ts';
import type { Job } from '../../engine/protocol/entities.ts';
import type { Event } from '../../engine/protocol/events.ts';
import { readDiscovery, type Discovery } from '../../engine/protocol/node/discovery.ts';
import { createTransport } from '../../engine/protocol/node/transport.ts';
import { ask } from './rawRequest.ts';
import { codeOf, environment, fillWorld, openWorld, origin, type World } from './world.ts';

const subject = 'subject';
const params = { clone: subject };

describe('requests at once, again, and out of place', function () {
  this.timeout(120_000);
  let world: World;
  let one: Client;
  let two: Client;
  let discovery: Discovery;
  const transports: { close(): void }[] = [];
  before(async () => {
    world = await openWorld();
    await fillWorld(world);
    const found = await readDiscovery(world.engine.paths.discovery);
    assert.ok(found);
    discovery = found;
    [one, two] = ['one', 'two'].map((user) => {
      const transport = createTransport({ socketPath: found.socket });
      transports.push(transport);
      return createClient({ transport, user, token: found.token });
    }) as [Client, Client];
    await world.done((client) => client.call('cloneCreate', { body: { environment, name: subject } }));
  });
  after(async () => {
    for (const transport of transports) transport.close();
    await world.dispose();
  });
  afterEach(async () => {
    await world.checkNothingLeft();
    assert.equal(await world.read(subject), 'mine');
  });
  beforeEach(() => world.write(subject, 'mine'));

  const jobsOf = async (type: Job['type']): Promise<number> =>
    (await one.call('jobList', { query: { limit: 1000 } })).items.filter((job) => job.type === type).length;
  /** Waits for the jobs of answers; refused requests are their codes. */
  const outcomes = async (requests: readonly Promise<{ job: Job }>[]): Promise<string[]> => {
    const results = await Promise.allSettled(requests);
    return Promise.all(
      results.map(async (result) => {
        if (result.status === 'rejected') return codeOf(Promise.reject(result.reason as Error));
        return (await world.ended(result.value.job)).state;
      }),
    );
  };
  const destroy = (name: string) => world.done((c) => c.call('cloneDestroy', { params: { clone: name } }));

  it('resets a clone once when two windows ask for it at the same time', async () => {
    const before = await jobsOf('clone.reset');
    const [a, b] = await Promise.all([one, two].map((c) => c.call('cloneReset', { params, body: {} })));
    assert.equal(a?.job.id, b?.job.id);
    assert.equal((await world.ended((a as { job: Job }).job)).state, 'succeeded');
    assert.equal(await jobsOf('clone.reset'), before + 1);
    assert.equal(await world.read(subject), origin);
    await world.write(subject, 'mine');
  });

  it('refuses to destroy, commit or protect-by-nobody what is being reset, and says who works on it', async () => {
    const { job } = await one.call('cloneReset', { params, body: {} });
    try {
      await two.call('cloneDestroy', { params });
      assert.fail('was not refused');
    } catch (error) {
      const { document } = error as { document: { code: string; message: string; next: string } };
      assert.equal(document.code, 'busy');
      assert.match(document.message, /Reset clone subject \(started by one\)/);
      assert.match(document.next, new RegExp(job.id));
    }
    assert.equal(await codeOf(two.call('cloneCommit', { params, body: { message: 'x' } })), 'busy');
    assert.equal((await world.ended(job)).state, 'succeeded');
    await world.write(subject, 'mine');
  });

  it('keeps a protection that is set while the clone is being reset', async () => {
    const { job } = await one.call('cloneReset', { params, body: {} });
    while ((await world.clone(subject)).state === 'resetting') {
      await two.call('cloneProtect', { params, body: { minutes: 'forever' } });
      await sleep(1);
    }
    await world.ended(job);
    assert.equal((await world.clone(subject)).protectedUntil, 'forever');
    assert.equal(await codeOf(one.call('cloneDestroy', { params })), 'clone_protected');
    await one.call('cloneProtect', { params, body: { minutes: null } });
    await world.write(subject, 'mine');
  });

  it('makes one clone of a name, whoever asks at the same time', async () => {
    const create = (client: Client) => client.call('cloneCreate', { body: { environment, name: 'same' } });
    const found = await outcomes([one, two, one, two].map(create));
    assert.ok(found.includes('succeeded'));
    for (const outcome of found) assert.ok(['succeeded', 'busy', 'name_taken'].includes(outcome), outcome);
    const { items } = await one.call('cloneList', {});
    assert.equal(items.filter(({ name }) => name === ('same' as never)).length, 1);
    assert.equal(await codeOf(create(one)), 'name_taken');
    await destroy('same');
  });

  it('makes two clones of two requests without a name', async () => {
    const answers = await Promise.all(
      [one, one].map((c) => c.call('cloneCreate', { body: { environment } })),
    );
    for (const { job } of answers) await world.ended(job);
    const names = answers.map(({ job }) => job.object.name);
    assert.notEqual(names[0], names[1]);
    for (const name of names) await destroy(name);
  });

  it('gives the same answer to the same idempotency key, also when the job has ended', async () => {
    const idempotencyKey = 'key-1';
    const create = () => one.call('cloneCreate', { body: { environment, name: 'once' } }, { idempotencyKey });
    const first = await create();
    await world.ended(first.job);
    const again = await create();
    assert.equal(again.job.id, first.job.id);
    assert.equal(again.job.state, 'succeeded');
    const gone = () => one.call('cloneDestroy', { params: { clone: 'once' } }, { idempotencyKey: 'key-2' });
    const destroyed = await gone();
    await world.ended(destroyed.job);
    assert.equal((await gone()).job.id, destroyed.job.id);
    const misused = one.call('cloneReset', { params, body: {} }, { idempotencyKey });
    assert.equal(await codeOf(misused), 'idempotency_key_reused');
    const another = { environment, name: 'another' };
    assert.equal(
      await codeOf(one.call('cloneCreate', { body: another }, { idempotencyKey })),
      'idempotency_key_reused',
    );
    const long = ask(discovery, {
      method: 'GET',
      path: '/v1/engine',
      headers: { 'idempotency-key': 'x'.repeat(201) },
    });
    assert.equal((await long).code, 'invalid_request');
  });

  it('refuses to destroy a protected clone and to delete a snapshot in use, and names who uses it', async () => {
    await one.call('cloneProtect', { params, body: { minutes: 60 } });
    assert.equal(await codeOf(one.call('cloneDestroy', { params })), 'clone_protected');
    await one.call('cloneProtect', { params, body: { minutes: null } });
    const deleting = one.call('snapshotDelete', { params: { snapshot: 'first' } });
    await assert.rejects(deleting, /used by 1 clone \(subject\)/);
    const all = one.call('environmentDelete', { params: { environment } });
    assert.equal(await codeOf(all), 'environment_in_use');
  });

  it('holds the clone limit, also for requests at the same time', async () => {
    const { definition } = await one.call('environmentShow', { params: { environment } });
    const limited = { ...definition, clones: { limit: 2 } };
    await one.call('environmentApply', { params: { name: environment }, body: { definition: limited } });
    const creating = [one, two, one].map((c) => c.call('cloneCreate', { body: { environment } }));
    const found = await outcomes(creating);
    assert.deepEqual(found.sort(), ['clone_limit', 'clone_limit', 'succeeded']);
    const { items } = await one.call('cloneList', {});
    assert.equal(items.length, 2);
    for (const { name } of items) if (name !== (subject as never)) await destroy(name);
    await one.call('environmentApply', { params: { name: environment }, body: { definition } });
  });

  const strange = [
    '',
    ' ',
    "o'brien",
    '"quoted"',
    '`id`',
    '$(touch /tmp/tc-sentinel)',
    'a b',
    '..',
    '../../etc/passwd',
    '/',
    'a//b',
    'a/',
    'a\nb',
    'a\u0000b',
    '-rf',
    '--help',
    '@',
    '%2e%2e',
    'x'.repeat(2500),
    '\u202eevil',
    '\ufeff',
    'a;b',
    'a|b',
    '.',
    'C:\\x',
    'null\u0000',
    '😀',
    'a?b',
    'a#b',
    '\u200b',
  ];
  const good = ['größe', 'имя', '分支', 'feature/a.b-c_d', '7', 'ʻokina', 'x'.repeat(128)];

  it('refuses every name that is none, in every field that takes one', async () => {
    for (const name of strange) {
      const requests = {
        clone: one.call('cloneCreate', { body: { environment, name } }),
        kept: one.call('cloneReset', { params, body: { keepAs: name } }),
        commit: one.call('cloneCommit', { params, body: { message: 'x', name } }),
        refresh: one.call('environmentRefresh', { params: { environment }, body: { name } }),
        environment: one.call('environmentApply', {
          params: { name },
          body: {
            definition: { members: { [name]: { engine: 'postgres', retrieval: 'dump', dump: '/x' } } },
          },
        }),
        member: one.call('environmentApply', {
          params: { name: 'good' },
          body: {
            definition: { members: { [name]: { engine: 'postgres', retrieval: 'dump', dump: '/x' } } },
          },
        }),
      };
      for (const [field, request] of Object.entries(requests)) {
        const code = await codeOf(request);
        const fine = code === 'invalid_request' || (field === 'environment' && code === 'unknown_route');
        assert.ok(fine, `${field} ${JSON.stringify(name)}: ${code}`);
      }
      const shown = await codeOf(one.call('cloneShow', { params: { clone: name } }));
      assert.ok(['not_found', 'invalid_request', 'unknown_route'].includes(shown), `${name}: ${shown}`);
    }
    const { environments } = await one.call('overview', {});
    assert.deepEqual(
      environments.map(({ name }) => name as string),
      [environment],
    );
  });

  it('carries every name that is one, to the database and back', async () => {
    for (const name of good) {
      await world.done((c) => c.call('cloneCreate', { body: { environment, name } }));
      assert.equal(await world.read(name), origin);
      assert.equal((await world.clone(name)).name, name);
      await destroy(name);
    }
  });

  it('cancels at any moment of a create, a reset and a refresh, and nothing is left', async () => {
    for (let delay = 0; delay <= 60; delay += 12) {
      for (const request of [
        () => one.call('cloneCreate', { body: { environment, name: 'canceled' } }),
        () => one.call('cloneReset', { params, body: { keepAs: `kept-${delay}` } }),
        () => one.call('environmentRefresh', { params: { environment }, body: { name: `refresh-${delay}` } }),
      ]) {
        const { job } = await request();
        await sleep(delay);
        await codeOf(two.call('jobCancel', { params: { job: job.id } }));
        const { state, error, type } = await world.ended(job);
        assert.ok(['cancelled', 'succeeded'].includes(state), `${type} ${state} ${error?.message ?? ''}`);
        if (state === 'cancelled') assert.equal(error?.code, 'canceled');
        const { clones, snapshots } = await one.call('overview', {});
        if (state === 'succeeded' && type === 'clone.reset') {
          assert.equal(await world.read(subject), origin);
          await world.write(subject, 'mine');
        } else assert.equal(await world.read(subject), 'mine');
        for (const { name } of clones) if (name !== (subject as never)) await destroy(name);
        for (const { name } of snapshots)
          if (name !== ('first' as never))
            await world.done((c) => c.call('snapshotDelete', { params: { snapshot: name } }));
        await world.checkNothingLeft();
      }
    }
  });

  it('tells events without a gap, from anywhere, and resync when it can not', async () => {
    const { epoch, seq } = await one.call('overview', {});
    const read = async (from: { epoch: string; seq: number }, until: number): Promise<Event[]> => {
      const events: Event[] = [];
      const abort = new AbortController();
      for await (const event of two.events(from, abort.signal)) {
        events.push(event);
        if (event.seq >= until) abort.abort();
      }
      return events;
    };
    await world.done((c) => c.call('cloneCreate', { body: { environment, name: 'told' } }));
    await destroy('told');
    const last = (await one.call('overview', {})).seq;
    assert.ok(last > seq + 5);
    for (const from of [seq, seq + 3, last - 1]) {
      const events = await read({ epoch, seq: from }, last);
      assert.deepEqual(
        events.map((event) => event.seq),
        Array.from({ length: last - from }, (_, index) => from + 1 + index),
      );
    }
    for (const from of [
      { epoch: 'another', seq },
      { epoch, seq: last + 1000 },
      { epoch, seq: Number.NaN },
    ]) {
      const [first] = await read(from, 0);
      assert.equal(first?.kind, 'resync');
    }
    await world.write(subject, 'mine');
  });
});
