import assert from 'node:assert/strict';
import { createClient } from '../../../engine/protocol/client.ts';
import { referenceSchema } from '../../../engine/protocol/ids.ts';
import { openMemoryApp, token, type MemoryApp } from '../http/memoryApp.ts';
import { type } from './commandLine.ts';
import { startFakeEngine, type FakeEngine } from './fakeEngine.ts';

describe('a command that makes a job', () => {
  let memory: MemoryApp;
  let fake: FakeEngine;
  let paths: string[];
  before(async () => {
    memory = await openMemoryApp();
    fake = await startFakeEngine();
    memory.engine.declare('shop', { orders: 'first' });
    const caller = { user: 'anna', idempotencyKey: undefined };
    const shop = referenceSchema.parse('shop');
    await memory.engine.done(({ environments }) => environments.refresh(shop, {}, caller));
  });
  after(async () => {
    memory.end();
    await fake.close();
    await memory.engine.close();
  });
  const run = async (...argv: string[]) => {
    paths = [];
    const { transport } = memory;
    const client = createClient({
      user: 'anna',
      token,
      transport: {
        request(request) {
          paths.push(`${request.method} ${request.path.replace(/clone-[a-z2-7]{16}/, 'ID')}`);
          return transport.request(request);
        },
        stream(request) {
          paths.push(`${request.method} ${request.path.replace(/\?.*/, '')}`);
          return transport.stream(request);
        },
      },
    });
    const connection = { ...(await fake.connect()), client };
    return await type(argv, { engine: { ...fake, connect: async () => connection } });
  };

  it('follows it from its first event on, and asks nothing twice', async () => {
    const { code, stdout, stderr } = await run('clone', 'create', 'shop', '--name', 'mine');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Clone mine is ready\.\npostgresql:/);
    assert.deepEqual(paths, [
      'POST /v1/clones',
      'GET /v1/events',
      'GET /v1/clones/ID',
      'GET /v1/clones/ID/connection',
    ]);
  });
  it('shows every line of it', async () => {
    const { code, stderr } = await run('clone', 'reset', 'mine', '--yes');
    assert.equal(code, 0, stderr);
    assert.ok(!paths.some((path) => /overview|lines/.test(path)), paths.join('\n'));
    const { items } = await createClient({ transport: memory.transport, user: 'anna', token }).call(
      'jobList',
      {},
    );
    const job = items[0]?.id ?? assert.fail('there is no job');
    const lines = await createClient({ transport: memory.transport, user: 'anna', token }).call('jobLines', {
      params: { job },
    });
    for (const { text } of lines.items) assert.ok(stderr.includes(text), `${text}\n is not in\n${stderr}`);
  });
});
