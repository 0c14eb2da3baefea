import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listen } from '../../../engine/http/listen.ts';
import { ofTheHub } from '../../../engine/http/server.ts';
import { createClient, fillPath, type Client } from '../../../engine/protocol/client.ts';
import { errorSchema } from '../../../engine/protocol/entities.ts';
import { errorTable, isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import type { Event } from '../../../engine/protocol/events.ts';
import { createTransport } from '../../../engine/protocol/node/transport.ts';
import { routes, type RouteName } from '../../../engine/protocol/routes.ts';
import { caller, cloneName, ref } from '../../support/memoryEngine.ts';
import { exampleOf, openMemoryApp, token, type MemoryApp } from './memoryApp.ts';

const names = Object.keys(routes) as RouteName[];
const failure = async (answer: Response): Promise<{ code: string; message: string; next: string }> => {
  const document = (await answer.json()) as { error: unknown };
  return errorSchema.parse(document.error);
};
const code =
  (wanted: ErrorCode) =>
  (error: unknown): boolean =>
    isFailure(error, wanted);

describe('the HTTP side over an engine in memory', () => {
  let memory: MemoryApp;
  let client: Client;
  const withClone = async (name = 'a'): Promise<void> => {
    memory.engine.declare('shop', { orders: 'first' });
    await memory.engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    await memory.engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName(name) }, caller),
    );
  };
  beforeEach(async () => {
    memory = await openMemoryApp();
    client = createClient({ transport: memory.transport, user: 'tester', token });
  });
  afterEach(async () => {
    memory.end();
    await memory.engine.life().quiet();
    await memory.engine.close();
  });

  for (const name of names) {
    const { method, path, body } = exampleOf(name);
    it(`${name} refuses fields that it does not know, names them, and changes nothing`, async () => {
      const inQuery = await memory.request(method, `${path}?surprise=1`, { body });
      assert.equal(inQuery.status, 400);
      assert.match((await failure(inQuery)).message, /surprise/);
      if (method === 'GET') return;
      const inBody = await memory.request(method, path, { body: { ...(body ?? {}), surprise: 1 } });
      assert.equal(inBody.status, 400);
      assert.match((await failure(inBody)).message, /surprise/);
      assert.equal(memory.stopped(), false);
    });

    if (method !== 'GET') {
      it(`${name} refuses a body that is no object`, async () => {
        for (const bad of ['[]', '"text"', '7', 'null', '{', 'undefined', '{"a":1}{"b":2}']) {
          const answer = await memory.request(method, path, { body: bad });
          assert.equal(answer.status, 400, bad);
          assert.equal((await failure(answer)).code, 'invalid_request');
        }
        assert.equal(memory.stopped(), false);
      });
    }

    it(`${name} answers a fitting request by its schema, or refuses it by the error table`, async () => {
      const answer = await memory.request(method, path, { body });
      if (answer.status === 200) routes[name].response.parse(await answer.json());
      else {
        const { code: found, next } = await failure(answer);
        const entry = errorTable[found as ErrorCode];
        assert.equal(answer.status, entry.status);
        assert.notEqual(found, 'internal');
        assert.notEqual(next, '');
      }
      assert.equal(memory.log.filter((line) => line.startsWith('request failed')).length, 0);
    });
  }

  it('names the field and what it should be when a type is wrong', async () => {
    const wrong: [RouteName, unknown, RegExp][] = [
      ['cloneCreate', { environment: 5 }, /environment/],
      ['cloneCreate', { environment: 'e', name: 'no spaces' }, /name: use letters, digits/],
      ['cloneCreate', { environment: 'e', branch: '' }, /branch/],
      ['cloneProtect', { minutes: 0 }, /minutes/],
      ['cloneProtect', { minutes: 1.5 }, /minutes/],
      ['cloneProtect', { minutes: 'soon' }, /minutes/],
      ['cloneProtect', {}, /minutes/],
      ['cloneCommit', { message: 'x'.repeat(1001) }, /message/],
      [
        'environmentApply',
        { definition: { members: {} } },
        /members: an environment has at least one member/,
      ],
      ['environmentApply', { definition: { members: { 'a/b': {} } } }, /members/],
      ['environmentRefresh', { passwords: { orders: 5 } }, /passwords.orders/],
    ];
    for (const [name, body, message] of wrong) {
      const { method, path } = exampleOf(name);
      const answer = await memory.request(method, path, { body });
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.match((await failure(answer)).message, message);
    }
    for (const query of ['limit=0', 'limit=1001', 'limit=x', 'limit=1.5'])
      assert.equal((await memory.request('GET', `/v1/jobs?${query}`)).status, 400, query);
  });

  it('answers an unknown path and an unknown method with the error document', async () => {
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/v2/engine'],
      ['PATCH', '/v1/engine'],
      ['GET', '/v1/clones/a/b/c'],
      ['GET', '/v1/clones/'],
      ['GET', '/v1/../../etc/passwd'],
      ['GET', '/v1/clones/..%2f..%2fetc%2fpasswd'],
    ] as const) {
      const answer = await memory.request(method, path);
      assert.equal(answer.status, 404, path);
      assert.ok(['unknown_route', 'not_found'].includes((await failure(answer)).code));
    }
  });

  it('takes a body of up to a megabyte, and no more', async () => {
    const long = { member: { engine: 'postgres', retrieval: 'logical', url: 'x'.repeat(1024 * 1024) } };
    const answer = await memory.request('POST', '/v1/sources/test', { body: long });
    assert.equal(answer.status, 400);
    assert.match((await failure(answer)).message, /larger than/);
    const deep = `{"member":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    assert.equal((await memory.request('POST', '/v1/sources/test', { body: deep })).status, 400);
  });

  it('refuses every change while the state is blocked, and still answers what is asked', async () => {
    memory.block('it is damaged');
    for (const name of names) {
      const { method, path, body } = exampleOf(name);
      // Other hosts are in no state of this machine.
      if (['engineStop', 'engineRebuild', ...ofTheHub].includes(name)) continue;
      const answer = await memory.request(method, path, { body });
      if (method === 'GET') assert.notEqual(answer.status, 503, name);
      else assert.equal((await failure(answer)).code, 'state_blocked', name);
    }
  });

  it('finds a clone by a name with a slash, and by any other name that is allowed', async () => {
    for (const name of ['feature/a', 'a.b-c_d/e/f', 'größe/ü', '日本/東京', 'x'.repeat(128)]) {
      await withClone(name);
      const params = { clone: name };
      assert.equal((await client.call('cloneShow', { params })).name, name);
      assert.equal((await client.call('cloneConnection', { params })).items.length, 1);
      assert.equal((await client.call('cloneProtect', { params, body: { minutes: 5 } })).name, name);
      await client.call('cloneProtect', { params, body: { minutes: null } });
      for (const route of ['cloneReset', 'cloneStart', 'cloneDestroy'] as const) {
        const { job } = await client.call(route, { params });
        assert.equal(job.object.name, name);
        assert.equal((await memory.engine.life().ended(job))?.state, 'succeeded');
      }
    }
  });

  it('carries every character of a reference to the lookup, and back in the refusal', async () => {
    const references = [
      '%',
      '%2F',
      '%252F',
      'a%',
      'a b',
      'a?b=c#d',
      '\\',
      '"',
      "';--",
      '\n',
      '$(id)',
      ':clone',
      '*',
      'ß',
    ];
    for (const clone of [...references, '\u202etxt', '😀', 'é', 'x'.repeat(200)]) {
      await assert.rejects(client.call('cloneShow', { params: { clone } }), (error) => {
        assert.ok(isFailure(error, 'not_found'), String(error));
        assert.equal(error.document.details['name'], clone);
        return true;
      });
    }
  });

  it('never takes a reference of dots for a step up in the path', async () => {
    for (const clone of ['.', '..', '../..', '%2e%2e', '..%2f'])
      await assert.rejects(
        client.call('cloneDestroy', { params: { clone } }),
        (error) => isFailure(error, 'not_found') || isFailure(error, 'unknown_route'),
      );
  });

  it('has one effect for one idempotency key, also after the job has ended', async () => {
    await withClone('first');
    const create = (body = { environment: 'shop', name: 'a' }) =>
      client.call('cloneCreate', { body }, { idempotencyKey: 'key-1' });
    const { job } = await create();
    assert.equal((await create()).job.id, job.id);
    await memory.engine.life().ended(job);
    assert.equal((await create()).job.id, job.id);
    await assert.rejects(
      client.call('cloneDestroy', { params: { clone: 'a' } }, { idempotencyKey: 'key-1' }),
      code('idempotency_key_reused'),
    );
    await assert.rejects(create({ environment: 'shop', name: 'b' }), code('idempotency_key_reused'));
    assert.equal(memory.engine.store.clones.list().length, 2);
  });

  it('has one effect for a request that joined another one, also when another clone has the name since', async () => {
    await withClone('a');
    const destroy = (options = {}) => client.call('cloneDestroy', { params: { clone: 'a' } }, options);
    const { job } = await destroy();
    assert.equal((await destroy({ idempotencyKey: 'key-1' })).job.id, job.id);
    await memory.engine.life().ended(job);
    await memory.engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName('a') }, caller),
    );
    assert.equal((await destroy({ idempotencyKey: 'key-1' })).job.id, job.id);
    assert.equal(memory.engine.clone('a').state, 'ready');
  });

  it('refuses headers that it cannot read, and says who asked in the job', async () => {
    await withClone();
    const reset = (headers: Record<string, string>) =>
      memory.request('POST', '/v1/clones/a/reset', { headers, body: {} });
    assert.equal((await reset({ 'thin-clones-client': '%' })).status, 400);
    assert.equal((await reset({ 'idempotency-key': 'x'.repeat(201) })).status, 400);
    const { job } = (await (await reset({ 'thin-clones-client': 'J%C3%B6rg%20%3Cb%3E' })).json()) as {
      job: { createdBy: string };
    };
    assert.equal(job.createdBy, 'Jörg <b>');
  });

  it('streams every event after the asked one, in order, and says resync when it cannot', async () => {
    await withClone();
    const { epoch, seq } = await client.call('overview', {});
    const read = async (from: { epoch: string; seq: number }, wanted: number): Promise<Event[]> => {
      const events: Event[] = [];
      for await (const event of client.events(from)) {
        events.push(event);
        if (events.length === wanted) break;
      }
      return events;
    };
    const past = await read({ epoch, seq: 0 }, seq);
    assert.deepEqual(
      past.map((event) => event.seq),
      Array.from({ length: seq }, (_, index) => index + 1),
    );
    const [live] = await Promise.all([
      read({ epoch, seq }, 2),
      client.call('cloneProtect', { params: { clone: 'a' }, body: { minutes: 5 } }),
      client.call('cloneProtect', { params: { clone: 'a' }, body: { minutes: null } }),
    ]);
    assert.deepEqual(
      live.map((event) => [event.kind, event.seq]),
      [
        ['clone', seq + 1],
        ['clone', seq + 2],
      ],
    );
    for (const from of [
      { epoch: 'another', seq: 0 },
      { epoch, seq: 999_999 },
      { epoch, seq: Number.NaN },
      { epoch, seq: -5 },
    ]) {
      const [first] = await read(from, 1);
      assert.equal(first?.kind, 'resync', JSON.stringify(from));
    }
  });

  it('never tells a password in an entity, an event, a line or the overview', async () => {
    await withClone();
    const { password } = memory.engine.life().services.clones.connection(ref('a'))[0] ?? { password: '' };
    assert.ok(password.length > 20);
    for (const name of names) {
      if (name === 'cloneConnection' || routes[name].method !== 'GET') continue;
      const path = exampleOf(name).path.replace('clones/nowhere', 'clones/a').replace('nowhere', 'shop');
      const text = await (await memory.request('GET', path)).text();
      assert.equal(text.includes(password), false, name);
    }
    assert.equal(JSON.stringify(memory.engine.life().events).includes(password), false);
    assert.equal(memory.engine.life().log.join().includes(password), false);
  });

  it('serves an OpenAPI document with every route, its parameters and no dangling reference', async () => {
    const document = (await (await memory.request('GET', '/v1/openapi.json')).json()) as {
      openapi: string;
      paths: Record<
        string,
        Record<
          string,
          { operationId: string; parameters: { name: string; in: string }[]; requestBody?: unknown }
        >
      >;
    };
    assert.equal(document.openapi, '3.1.0');
    for (const name of names) {
      const route = routes[name];
      const path = route.path.replace(/:([a-z]+)/g, '{$1}');
      const operation = document.paths[path]?.[route.method.toLowerCase()];
      assert.equal(operation?.operationId, name);
      const inPath = [...path.matchAll(/\{([a-z]+)\}/g)].map(([, parameter]) => parameter);
      assert.deepEqual(
        operation.parameters.filter((each) => each.in === 'path').map((each) => each.name),
        inPath,
      );
      assert.equal(operation.requestBody !== undefined, Object.keys(route.body.shape).length > 0);
    }
    const text = JSON.stringify(document);
    assert.equal(text.includes('"$ref":"#/$defs'), false);
    assert.equal(text.includes('"~standard"'), false);
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    assert.equal(operations.length, names.length);
  });

  it('tells a defect of its own as internal, logs it, and goes on', async () => {
    memory.engine.life().gate.strike = {
      nth: 1,
      how: 'fail',
      when: 'before',
      only: 'host.leasePort',
      error: new TypeError('oops'),
    };
    await withClone().catch(() => undefined);
    memory.engine.life().gate.strike = {
      nth: 1,
      how: 'fail',
      when: 'before',
      only: 'host.leasePort',
      error: new TypeError('oops'),
    };
    const answer = await memory.request('POST', '/v1/clones', { body: { environment: 'shop', name: 'b' } });
    assert.equal(answer.status, 500);
    assert.equal((await failure(answer)).code, 'internal');
    assert.ok(memory.log.some((line) => line.includes('oops')));
    assert.equal((await memory.request('GET', '/v1/engine')).status, 200);
  });
});

describe('the path of a request', () => {
  it('has its parameters percent-encoded, and its query without what is undefined', () => {
    assert.equal(
      fillPath('/v1/clones/:clone/reset', { params: { clone: 'feature/a b?#%' } }),
      '/v1/clones/feature%2Fa%20b%3F%23%25/reset',
    );
    assert.equal(fillPath('/v1/jobs', { query: { limit: 5, after: undefined } }), '/v1/jobs?limit=5');
  });
});

describe('the sockets of the engine', () => {
  let folder: string;
  let memory: MemoryApp;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-http-'));
    memory = await openMemoryApp();
  });
  afterEach(async () => {
    memory.end();
    await memory.engine.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('are a file of mode 0600 and loopback, and carry names with a slash to their clone', async () => {
    memory.engine.declare('shop', { orders: 'first' });
    await memory.engine.done(({ environments }) => environments.refresh(ref('shop'), {}, caller));
    const name = 'feature/größe.1';
    await memory.engine.done(({ clones }) =>
      clones.create({ environment: ref('shop'), name: cloneName(name) }, caller),
    );
    const socket = join(folder, 'engine.sock');
    const listening = await listen(memory.app, { socket, tcpPort: 0 });
    try {
      assert.equal((await stat(socket)).mode & 0o777, 0o600);
      assert.ok(listening.tcpPort !== null && listening.tcpPort > 0);
      for (const address of [
        { socketPath: socket },
        { host: '127.0.0.1' as const, port: listening.tcpPort },
      ]) {
        const transport = createTransport(address);
        const client = createClient({ transport, user: 'tester', token });
        assert.equal((await client.call('cloneShow', { params: { clone: name } })).name, name);
        const { job } = await client.call('cloneReset', { params: { clone: name } });
        assert.equal((await memory.engine.life().ended(job))?.state, 'succeeded');
        for (const clone of ['%', '%2F', '..%2f', 'a%zz', '..'])
          await assert.rejects(
            client.call('cloneShow', { params: { clone } }),
            (error) => isFailure(error, 'not_found') || isFailure(error, 'unknown_route'),
          );
        transport.close();
      }
    } finally {
      memory.end();
      await listening.close();
    }
  });
});
