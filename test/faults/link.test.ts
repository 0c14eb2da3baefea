/** An engine that reaches another one over a program of this machine, as it does a remote host over ssh: real servers, real cuts. */
import assert from 'node:assert/strict';
import { createChildLink } from '../../engine/link/child/childLink.ts';
import { createClient, type Client } from '../../engine/protocol/client.ts';
import type { Connection, Job } from '../../engine/protocol/entities.ts';
import { processesUnder } from '../support/processesUnder.ts';
import { repository } from '../support/engine.ts';
import { openMemoryApp, token, type MemoryApp } from '../unit/http/memoryApp.ts';
import { fillWorld, openWorld, origin, type World } from './world.ts';

describe('an engine behind a link', function () {
  this.timeout(180_000);
  let far: World;
  let near: MemoryApp;
  let client: Client;
  before(async () => {
    far = await openWorld();
    await fillWorld(far);
    const link = createChildLink({
      name: 'big',
      address: 'child',
      program: process.execPath,
      args: [`${repository}/engine/cli/main.ts`, 'engine', 'bridge'],
      environment: { ...process.env, ...far.engine.program.env, THIN_CLONES_HOME: far.engine.home },
    });
    near = await openMemoryApp({ links: { big: link } });
    client = createClient({ transport: near.transport, user: 'me', token });
    await until(async () => (await client.call('overview', {})).environments.length === 1);
  });
  after(async () => {
    near.end();
    await (await near.hub).close();
    await near.engine.close();
    await far.dispose();
  });

  const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const done = async (request: Promise<{ job: Job }>): Promise<Job> => {
    const { job } = await request;
    let last = job;
    await until(
      async () => (last = await client.call('jobShow', { params: { job: job.id } })).endedAt !== null,
    );
    assert.equal(last.state, 'succeeded', last.error?.message);
    return last;
  };
  const connection = async (name: string): Promise<Connection> => {
    const [first] = (await client.call('cloneConnection', { params: { clone: name } })).items;
    assert.ok(first);
    return first;
  };
  const bridges = () =>
    processesUnder([far.engine.home]).filter(({ commandLine }) => commandLine.includes('engine bridge'));

  it('is made, broken, reset and destroyed at one port of this machine, by one password', async () => {
    await done(client.call('cloneCreate', { body: { environment: 'big/shop', name: 'mine' } }));
    const before = await connection('mine');
    const own = await far.connection('mine');
    assert.notEqual(before.port, own.port);
    assert.equal(await far.readAt(before), origin);
    await far.write('mine', 'broken');
    assert.equal(await far.readAt(before), 'broken');
    await done(client.call('cloneReset', { params: { clone: 'mine' } }));
    assert.equal(await far.readAt(before), origin);
    assert.deepEqual(await connection('mine'), before);
    await done(client.call('cloneDestroy', { params: { clone: 'mine' } }));
    await until(async () => (await client.call('cloneList', {})).items.length === 0);
    await assert.rejects(far.readAt(before), /ECONNREFUSED/);
  });

  it('answers through another bridge when one was killed, and through another engine', async () => {
    await done(client.call('cloneCreate', { body: { environment: 'big/shop', name: 'kept' } }));
    const login = await connection('kept');
    for (const { pid } of bridges()) process.kill(pid, 'SIGKILL');
    assert.equal((await client.call('cloneShow', { params: { clone: 'kept' } })).state, 'ready');
    assert.equal(await far.readAt(login), origin);
    await far.engine.kill();
    assert.equal((await client.call('cloneShow', { params: { clone: 'big/kept' } })).name, 'kept');
    assert.equal(await far.readAt(login), origin);
    await done(client.call('cloneDestroy', { params: { clone: 'kept' } }));
  });

  it('leads to nothing but servers of clones that run', async () => {
    await done(client.call('cloneCreate', { body: { environment: 'big/shop', name: 'still' } }));
    const login = await connection('still');
    await done(client.call('cloneStop', { params: { clone: 'still' } }));
    await assert.rejects(far.readAt(login));
    await done(client.call('cloneStart', { params: { clone: 'still' } }));
    assert.equal(await far.readAt(login), origin);
    await done(client.call('cloneDestroy', { params: { clone: 'still' } }));
  });
});
