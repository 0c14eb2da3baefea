/** An engine that reaches another one over a program of this machine, as it does a remote host over ssh: real servers, real cuts. */
import assert from 'node:assert/strict';
import { createChildLink } from '../../engine/link/child/childLink.ts';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection, Job } from '../../engine/protocol/entities.ts';
import { processesUnder } from '../support/processesUnder.ts';
import { repository } from '../support/engine.ts';
import { loginOf, succeeded, until } from '../support/workOfClient.ts';
import { openNearApp, type NearApp } from './nearApp.ts';
import { fillWorld, openWorld, origin, type World } from './world.ts';

describe('an engine behind a link', function () {
  this.timeout(180_000);
  let far: World;
  let near: NearApp;
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
    near = await openNearApp({ big: link });
    ({ client } = near);
  });
  after(async () => {
    await near.close();
    await far.dispose();
  });

  const done = (request: Promise<{ job: Job }>): Promise<Job> => succeeded(client, request, 5);
  const connection = (name: string): Promise<Connection> => loginOf(client, name);
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
    await until(async () => (await client.call('cloneList', {})).items.length === 0, 5);
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
