import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDiscovery, type Discovery } from '../../engine/protocol/node/discovery.ts';
import { routes } from '../../engine/protocol/routes.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import { corpus } from './corpus.ts';
import { routeNames, send, target, type Address } from './rawHttp.ts';

describe('texts that break out, in every field of every route', function () {
  this.timeout(120_000);
  let engine: TestEngine;
  let discovery: Discovery;
  let folder: string;
  let address: Address;
  const right = () => ({ host: 'localhost', authorization: `Bearer ${discovery.token}` });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-security-'));
    engine = await makeTestEngine({ variables: { THIN_CLONES_STORAGE_DRIVER: 'copy' } });
    await (await engine.client()).call('overview', {});
    const found = await readDiscovery(engine.paths.discovery);
    assert.ok(found);
    discovery = found;
    address = { socketPath: found.socket };
  });
  after(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it('reach no shell, no path and no internal error, and are stored verbatim or refused', async () => {
    const sentinel = join(folder, 'sentinel');
    const texts = corpus(sentinel);
    assert.ok(texts.length >= 100, `${texts.length} texts`);
    const member = (changes: object): object => ({
      engine: 'postgres',
      retrieval: 'logical',
      url: 'postgresql://reader@127.0.0.1:1/app',
      ...changes,
    });
    const definition = (changes: object, name = 'orders', clones: object = {}): object => ({
      definition: { members: { [name]: member(changes) }, clones },
    });
    const dump = (text: string): object => member({ url: undefined, retrieval: 'dump', dump: text });
    const directory = (text: string): object =>
      member({ url: undefined, retrieval: 'directory', directory: text });
    const put = '/v1/environments/e';
    const fields: [string, string, (text: string) => unknown][] = [
      ['POST', '/v1/clones', (text) => ({ environment: text })],
      ['POST', '/v1/clones', (text) => ({ environment: 'e', snapshot: text })],
      ['POST', '/v1/clones', (text) => ({ environment: 'e', name: text })],
      ['POST', '/v1/clones', (text) => ({ environment: 'e', branch: text })],
      ['POST', '/v1/clones/c/reset', (text) => ({ snapshot: text })],
      ['POST', '/v1/clones/c/reset', (text) => ({ keepAs: text })],
      ['POST', '/v1/clones/c/commit', (text) => ({ message: text })],
      ['POST', '/v1/clones/c/commit', (text) => ({ message: 'm', name: text })],
      ['PUT', '/v1/clones/c/name', (text) => ({ name: text })],
      ['POST', '/v1/clones/c/copies', (text) => ({ name: text })],
      ['PATCH', '/v1/snapshots/s', (text) => ({ name: text, message: text })],
      ['PUT', '/v1/clones/c/protection', (text) => ({ minutes: text })],
      ['POST', '/v1/environments/e/refresh', (text) => ({ name: text, passwords: { [text]: text } })],
      ['PUT', put, (text) => definition({}, text)],
      ['PUT', put, (text) => definition({}, 'orders', { idleTtl: text })],
      ['PUT', put, (text) => ({ definition: { host: text, members: { o: member({}) } } })],
      ['PUT', put, (text) => definition({ url: text })],
      ['PUT', put, (text) => definition({ database: text })],
      ['PUT', put, (text) => definition({ password: { env: text } })],
      ['PUT', put, (text) => definition({ password: { file: text } })],
      ['PUT', put, (text) => definition({ include: { tables: [text] } })],
      ['PUT', put, (text) => definition({ exclude: { schemas: [text] } })],
      ['PUT', put, (text) => ({ definition: { members: { o: dump(text) } } })],
      ['PUT', put, (text) => ({ definition: { members: { o: directory(text) } } })],
      ['POST', '/v1/sources/test', (text) => ({ member: member({ url: text }) })],
      ['POST', '/v1/sources/test', (text) => ({ member: member({ database: text }), password: text })],
      ['POST', '/v1/sources/test', (text) => ({ member: dump(text) })],
      ['POST', '/v1/sources/test', (text) => ({ member: directory(text) })],
    ];
    const internal: string[] = [];
    const ask = async (method: string, path: string, body?: unknown): Promise<void> => {
      const headers = { ...right(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const answer = await send(address, { method, path, headers, ...sent });
      const what = `${method} ${path} ${JSON.stringify(body)}: ${answer.status} ${answer.text}`;
      if (answer.code === 'internal') internal.push(what);
      assert.ok(answer.code !== undefined || answer.status === 200, what);
    };
    for (const text of texts) {
      await Promise.all(fields.map(([method, path, body]) => ask(method, path, body(text))));
      // A lone surrogate has no percent-encoding; without a text it is another path.
      const value = text.isWellFormed() && text !== '' ? text : 'x';
      for (const name of routeNames.filter((each) => routes[each].path.includes(':'))) {
        const { method, path } = target(name, value);
        await ask(method, path, method === 'GET' ? undefined : {});
      }
      await ask('GET', `/v1/snapshots?environment=${encodeURIComponent(value)}`);
    }
    assert.deepEqual(internal, []);
    assert.deepEqual(readdirSync(folder), [], 'a shell ran a text of a request');
    const { text: list } = await send(address, { method: 'GET', path: '/v1/environments', headers: right() });
    const { items } = JSON.parse(list) as { items: { name: string; definition: { members: object } }[] };
    for (const { name } of items) assert.ok(name === 'e' || texts.includes(name), name);
    // A newline in a text must not make a line of its own in the log.
    for (const line of (await readFile(engine.paths.log, 'utf8')).trim().split('\n')) JSON.parse(line);
    assert.equal(existsSync(sentinel), false);
  });
});
