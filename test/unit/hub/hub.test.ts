import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { createClient, type Client } from '../../../engine/protocol/client.ts';
import { isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import type { Event } from '../../../engine/protocol/events.ts';
import { protocolVersion } from '../../../engine/protocol/wire.ts';
import { cloneName } from '../../support/memoryEngine.ts';
import { openMemoryApp, token, type MemoryApp } from '../http/memoryApp.ts';
import { openFarHost, withClone, type FarHost } from './farHost.ts';

const code =
  (wanted: ErrorCode) =>
  (error: unknown): boolean =>
    isFailure(error, wanted);

describe('two hosts behind one engine', () => {
  let big: FarHost;
  let small: FarHost;
  let near: MemoryApp;
  let client: Client;
  /** Waits for what the events say. */
  const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const hosts = async () =>
    new Map((await client.call('hostList', {})).items.map((host) => [host.name as string, host]));
  const isReady = async (name: string) => (await hosts()).get(name)?.state === 'ready';

  beforeEach(async () => {
    big = await openFarHost('big', 2);
    small = await openFarHost('small', 3);
    await withClone(big.memory, 'shop', 'there');
    near = await openMemoryApp({ links: { big: big.link, small: small.link } });
    await withClone(near, 'shop', 'here', 'mine');
    client = createClient({ transport: near.transport, user: 'tester', token });
    await until(async () => (await isReady('big')) && (await isReady('small')));
  });
  afterEach(async () => {
    near.end();
    await (await near.hub).close();
    await near.engine.close();
    await big.close();
    await small.close();
  });

  it('shows what all of them hold, each environment by the name of its host', async () => {
    const overview = await client.call('overview', {});
    assert.deepEqual(
      overview.hosts.map(({ name, kind, state, version }) => [name, kind, state, version]),
      [
        ['local', 'local', 'ready', '1.2.3'],
        ['big', 'ssh', 'ready', '1.2.3'],
        ['small', 'ssh', 'ready', '1.2.3'],
      ],
    );
    assert.deepEqual(
      overview.environments.map(({ name, definition }) => [name, definition.host]),
      [
        ['shop', 'local'],
        ['big/shop', 'big'],
      ],
    );
    assert.deepEqual(
      overview.clones.map(({ name, environment }) => [name, environment]),
      [
        ['here', 'shop'],
        ['there', 'big/shop'],
      ],
    );
    assert.deepEqual(
      new Set(overview.snapshots.map(({ environment }) => environment as string)),
      new Set(['shop', 'big/shop']),
    );
    assert.deepEqual(overview, { ...overview, seq: near.engine.life().context.feed.seq() });
  });

  it('hands a request to whoever has the object, by its name, its id or HOST/NAME', async () => {
    const { id } = await client.call('cloneShow', { params: { clone: 'there' } });
    for (const name of ['there', id, 'big/there']) {
      const found = await client.call('cloneShow', { params: { clone: name } });
      assert.deepEqual([found.id, found.environment], [id, 'big/shop']);
    }
    await assert.rejects(client.call('cloneShow', { params: { clone: 'small/there' } }), code('not_found'));
  });

  it('says which side is to be updated where an engine there speaks another protocol, and works with the others', async () => {
    for (const [engine, where] of [
      [protocolVersion + 1, 'on this machine'],
      [protocolVersion - 1, 'on big'],
    ] as const) {
      big.speaks = engine;
      for (const end of big.open) end.end('it was replaced');
      await assert.rejects(
        client.call('cloneReset', { params: { clone: 'there' } }),
        code('protocol_mismatch'),
      );
      await until(async () => (await hosts()).get('big')?.problem?.includes('protocol') === true);
      assert.equal(
        (await hosts()).get('big')?.problem,
        `The engine of host big speaks protocol ${engine}, this machine's ${protocolVersion}: update Thin Clones ${where}.`,
      );
      assert.equal((await client.call('cloneShow', { params: { clone: 'here' } })).name, 'here');
      big.speaks = protocolVersion;
      assert.equal((await client.call('cloneShow', { params: { clone: 'there' } })).name, 'there');
    }
  });

  it('asks which one is meant where two hosts have one of a name', async () => {
    await withClone(small.memory, 'shop', 'there');
    await until(async () => (await client.call('cloneList', {})).items.length === 3);
    await assert.rejects(client.call('cloneDestroy', { params: { clone: 'there' } }), (error: unknown) => {
      assert.ok(isFailure(error, 'ambiguous'));
      assert.deepEqual(error.document.details.matches, ['big/there', 'small/there']);
      return true;
    });
    const { environment } = await client.call('cloneShow', { params: { clone: 'small/there' } });
    assert.equal(environment, 'small/shop');
  });

  it('makes, resets and destroys a clone there, and tells it as its own events do', async () => {
    const seen: Event[] = [];
    const overview = await client.call('overview', {});
    const reader = (async () => {
      for await (const event of client.events(overview)) seen.push(event);
    })();
    const { job } = await client.call('cloneCreate', {
      body: { environment: 'big/shop', name: 'second' },
    });
    assert.equal(job.environment, 'big/shop');
    const isDone = async (id: typeof job.id) =>
      (await client.call('jobShow', { params: { job: id } })).state === 'succeeded';
    await until(() => isDone(job.id));
    assert.equal(await big.memory.engine.read('second').then((texts) => texts.orders), 'first');
    await until(() =>
      seen.some(
        (event) =>
          event.kind === 'clone' && event.entity.name === 'second' && event.entity.environment === 'big/shop',
      ),
    );

    await big.memory.engine.write('second', 'broken');
    const reset = await client.call('cloneReset', { params: { clone: 'second' } });
    await until(() => isDone(reset.job.id));
    assert.equal((await big.memory.engine.read('second')).orders, 'first');
    const { items: lines } = await client.call('jobLines', { params: { job: job.id } });
    assert.ok(lines.every((line) => line.job === job.id));

    const destroy = await client.call('cloneDestroy', { params: { clone: 'second' } });
    await until(() => isDone(destroy.job.id));
    await until(() => seen.some(({ kind }) => kind === 'clone.removed'));
    near.end();
    await reader;
  });

  it('declares an environment on the host that its definition names', async () => {
    const member = { engine: 'postgres', retrieval: 'logical', url: 'postgresql://reader@source/x' } as const;
    const apply = () =>
      client.call('environmentApply', {
        params: { name: 'crm' },
        body: { definition: { host: 'small', members: { orders: member } } },
      });
    const { environment, outcome } = await apply();
    assert.deepEqual(
      [environment.name, environment.definition.host, outcome],
      ['small/crm', 'small', 'created'],
    );
    assert.equal((await apply()).outcome, 'unchanged');
    assert.equal(small.memory.engine.store.environments.list().length, 1);
    assert.equal(near.engine.store.environments.list().length, 1);
  });

  it('keeps what a host holds while nobody reaches it, and has it again afterwards', async () => {
    big.down = 'the cable was cut';
    for (const end of big.open) end.end('the cable was cut');
    await until(async () => !(await isReady('big')));
    const host = (await hosts()).get('big');
    assert.deepEqual(
      [host?.state, host?.problem],
      ['unreachable', "Host big can't be reached: the cable was cut"],
    );
    const { clones } = await client.call('overview', {});
    assert.deepEqual(
      clones.map(({ name }) => name as string),
      ['here', 'there'],
    );
    await assert.rejects(client.call('cloneReset', { params: { clone: 'there' } }));
    // The others go on.
    assert.equal((await client.call('cloneShow', { params: { clone: 'here' } })).name, 'here');
    big.down = undefined;
    assert.equal((await client.call('cloneShow', { params: { clone: 'there' } })).state, 'ready');
    await until(() => isReady('big'));
  });

  it('takes the failure of an attempt that began before for no answer to who asks now', async () => {
    const begun = Promise.withResolvers<undefined>();
    const mended = Promise.withResolvers<undefined>();
    big.login = async () => {
      big.login = async () => undefined;
      begun.resolve(undefined);
      await mended.promise;
      throw new Error('the cable was cut');
    };
    for (const end of big.open) end.end('the cable was cut');
    await begun.promise;
    const shown = client.call('cloneShow', { params: { clone: 'there' } });
    // The request has come to where it waits for the attempt that is under way.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    mended.resolve(undefined);
    assert.equal((await shown).state, 'ready');
  });

  it('repeats what was cut off, and it is done once', async () => {
    let cut = 0;
    const stop = big.memory.engine.life().context.feed.subscribe({ epoch: '', seq: 0 }, (event) => {
      // In the middle: the job is there, and its answer is not yet.
      if (event.kind !== 'job' || cut > 2) return;
      cut += 1;
      for (const end of big.open) end.end('cut');
    });
    const { job } = await client.call('cloneCreate', {
      body: { environment: 'big/shop', name: 'once' },
    });
    stop();
    assert.ok(cut > 0);
    await until(
      async () => (await client.call('jobShow', { params: { job: job.id } })).state === 'succeeded',
    );
    assert.deepEqual(
      big.memory.engine.store.clones
        .list()
        .map(({ name }) => name as string)
        .sort(),
      ['once', 'there'],
    );
  });

  it('tells of a job that was asked for here though the link breaks before its events come', async () => {
    const { feed } = big.memory.engine.life().context;
    const silent = mock.method(feed, 'publish', () => undefined);
    const { job } = await client.call('cloneReset', { params: { clone: 'there' } });
    assert.ok((await client.call('overview', {})).jobs.some(({ id }) => id === job.id));
    big.down = 'the cable was cut';
    for (const end of big.open) end.end('the cable was cut');
    await until(async () => !(await isReady('big')));
    silent.mock.restore();
    assert.ok((await client.call('overview', {})).jobs.some(({ id }) => id === job.id));
    big.down = undefined;
    await until(
      async () => (await client.call('jobShow', { params: { job: job.id } })).state === 'succeeded',
    );
    await until(
      async () =>
        (await client.call('overview', {})).jobs.find(({ id }) => id === job.id)?.state === 'succeeded',
    );
  });

  it('takes nothing from a host that another one has', async () => {
    const [mine] = near.engine.store.clones.list();
    assert.ok(mine);
    const forged = { ...mine, name: cloneName('forged') };
    big.memory.engine.life().context.feed.publish({ kind: 'clone', entity: forged });
    big.memory.engine.life().context.feed.publish({ kind: 'clone.removed', id: mine.id });
    await withClone(big.memory, 'later', 'marker');
    await until(async () => (await client.call('cloneList', {})).items.some(({ name }) => name === 'marker'));
    const overview = await client.call('overview', {});
    assert.deepEqual(overview.clones.map(({ name }) => name as string).sort(), ['here', 'marker', 'there']);
    assert.equal((await client.call('cloneShow', { params: { clone: mine.id } })).name, 'here');
  });

  it('refuses an environment on a host that nobody added, and keeps nothing of it', async () => {
    const member = { engine: 'postgres', retrieval: 'logical', url: 'postgresql://reader@source/x' } as const;
    const definition = { host: 'stranger', members: { orders: member } };
    for (const name of ['crm', 'stranger/crm'])
      await assert.rejects(
        client.call('environmentApply', { params: { name }, body: { definition } }),
        (error: unknown) => isFailure(error),
      );
    assert.deepEqual(
      near.engine.store.environments.list().map(({ name }) => name as string),
      ['shop'],
    );
  });

  it('forgets a host, and leaves what is there', async () => {
    await client.call('hostRemove', { params: { host: 'big' } });
    const overview = await client.call('overview', {});
    assert.deepEqual(
      overview.hosts.map(({ name }) => name as string),
      ['local', 'small'],
    );
    assert.equal(overview.clones.length, 1);
    assert.equal(big.memory.engine.store.clones.list().length, 1);
    await until(() => big.open.size === 0);
    await assert.rejects(client.call('hostRemove', { params: { host: 'big' } }), code('not_found'));
  });
});
