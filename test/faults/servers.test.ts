/** Servers, engines and ports go away or are taken: clones are told as they are, and come back with their data. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection, Job } from '../../engine/protocol/entities.ts';
import { connectEngine, stopEngine } from '../../engine/protocol/node/launch.ts';
import { codeOf, environment, fillWorld, openWorld, patienceMs, type World } from './world.ts';

const subject = 'subject';
const params = { clone: subject };

async function takePort(port: number): Promise<Server> {
  const server = createServer();
  const deadline = performance.now() + patienceMs;
  for (;;) {
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return server;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(1);
    }
  }
}
async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

describe('servers and engines that go away', function () {
  this.timeout(120_000);
  let world: World;
  let mine: Connection;
  before(async () => {
    world = await openWorld();
    await fillWorld(world);
    for (const name of ['bystander', subject])
      await world.done((client) => client.call('cloneCreate', { body: { environment, name } }));
    await world.write(subject, 'mine');
    await world.write('bystander', 'theirs');
    mine = await world.connection(subject);
  });
  after(() => world.dispose());
  afterEach(async () => {
    assert.equal(await world.readAt(mine), 'mine');
    assert.equal(await world.read('bystander'), 'theirs');
    await world.checkNothingLeft();
  });

  const postmaster = (dataset: string): number => {
    const found = world.engine
      .processes()
      .find(({ commandLine }) => commandLine.includes(`cluster_name=${dataset}`));
    assert.ok(found, 'the server runs');
    return found.pid;
  };
  const serverPid = async (name: string): Promise<number> =>
    postmaster((await world.clone(name)).members[0]?.dataset ?? '');
  const untilState = async (name: string, state: string): Promise<void> => {
    const deadline = performance.now() + patienceMs;
    while ((await world.clone(name)).state !== state) {
      assert.ok(performance.now() < deadline, `${name} is not ${state}`);
      await sleep(10);
    }
  };

  it('tells that a clone stopped when its server is killed, and starts it with its data', async () => {
    const pid = await serverPid(subject);
    process.kill(pid, 'SIGKILL');
    await untilState(subject, 'stopped');
    const clone = await world.clone(subject);
    assert.equal(clone.members[0]?.state, 'stopped');
    assert.match(clone.problem ?? '', /ended.*start it again/);
    assert.equal((await world.clone('bystander')).state, 'ready');
    await world.done((client) => client.call('cloneStart', { params }));
    assert.equal((await world.clone(subject)).state, 'ready');
  });

  it('commits and resets a clone whose server is stopped', async () => {
    process.kill(await serverPid(subject), 'SIGKILL');
    await untilState(subject, 'stopped');
    await world.done((c) =>
      c.call('cloneCommit', { params, body: { message: 'stopped', name: 'of-stopped' } }),
    );
    await world.done((c) => c.call('cloneReset', { params, body: {} }));
    assert.equal(await world.readAt(mine), 'origin');
    await world.done((c) => c.call('cloneReset', { params, body: { snapshot: 'of-stopped' } }));
    await world.done((c) => c.call('cloneReset', { params, body: { snapshot: 'first' } }));
    await world.done((c) => c.call('snapshotDelete', { params: { snapshot: 'of-stopped' } }));
    await world.write(subject, 'mine');
  });

  it('resets a clone whose server hangs and keeps its port for long after the new one asked for it', async () => {
    process.kill(await serverPid(subject), 'SIGSTOP');
    await world.done((c) => c.call('cloneReset', { params, body: {} }));
    assert.equal(await world.readAt(mine), 'origin');
    const { members } = await world.clone(subject);
    const log = await readFile(join(world.engine.home, 'logs', `${members[0]?.dataset ?? ''}.log`), 'utf8');
    assert.doesNotMatch(log, /could not bind/, 'a later failure would be taken for a port that is taken');
    await world.write(subject, 'mine');
  });

  it('brings exactly the clones up that ran when the machine went down', async () => {
    await world.done((client) => client.call('cloneCreate', { body: { environment, name: 'resting' } }));
    process.kill(await serverPid('resting'), 'SIGKILL');
    await untilState('resting', 'stopped');
    const before = await world.portrait();
    await world.engine.crashMachine();
    assert.deepEqual(await world.portrait(), before);
    assert.equal(await world.readAt(mine), 'mine');
    assert.equal((await world.clone('resting')).state, 'stopped');
    await world.done((client) => client.call('cloneDestroy', { params: { clone: 'resting' } }));
  });

  it('answers before clones are up again, and requests on them wait or take them over', async () => {
    const other = await world.connection('bystander');
    await world.engine.crashMachine();
    const { client } = await world.connect();
    const { clones } = await client.call('overview', {});
    for (const { state, members } of clones)
      assert.ok(['stopped starting', 'ready ready'].includes(`${state} ${members[0]?.state ?? ''}`));
    const [connected, { job: reset }, { job: started }] = await Promise.all([
      client.call('cloneConnection', { params: { clone: 'bystander' } }),
      client.call('cloneReset', { params, body: {} }),
      client.call('cloneStart', { params: { clone: 'bystander' } }),
    ]);
    assert.deepEqual(connected.items, [other]);
    assert.equal(await world.readAt(other), 'theirs');
    assert.equal((await world.ended(started)).state, 'succeeded');
    assert.equal((await world.ended(reset)).state, 'succeeded');
    assert.equal(await world.readAt(mine), 'origin');
    await world.write(subject, 'mine');
    assert.deepEqual(
      (await client.call('overview', {})).clones.map(({ state }) => state),
      ['ready', 'ready'],
    );
  });

  it('leaves clones that it was bringing up when it was stopped to the next engine', async () => {
    await world.engine.crashMachine();
    await world.connect();
    await world.engine.stop();
    await world.engine.crashMachine();
    await world.connect();
    await world.engine.kill();
    const { clones } = await (await world.client()).call('overview', {});
    assert.ok(clones.every(({ state }) => state === 'ready'));
  });

  it('knows its servers again, and not a stranger with the number of one', async () => {
    const before = await world.clone(subject);
    const pid = await serverPid(subject);
    await world.engine.kill();
    process.kill(pid, 'SIGKILL');
    await world.gone(pid);
    const { dataset = '' } = before.members[0] ?? {};
    // A pid file that was left names a process that is somebody else's now: the test itself.
    const file = join(world.store, 'data', dataset, 'postmaster.pid');
    const left = await readFile(file, 'utf8');
    await writeFile(file, left.replace(/^\d+/, String(process.pid)));
    assert.equal((await world.clone(subject)).state, 'ready');
    assert.notEqual(await serverPid(subject), pid);
  });

  it('leaves clones running when it is told to stop, by signal and by request', async () => {
    const pid = await serverPid(subject);
    const { info } = await world.connect();
    process.kill(info.pid, 'SIGTERM');
    await world.gone(info.pid);
    assert.equal(await world.readAt(mine), 'mine');
    await world.connect();
    await world.engine.stop();
    assert.equal(await world.readAt(mine), 'mine');
    assert.equal(await serverPid(subject), pid);
  });

  it('refuses to start on a port that a stranger took, keeps the data, and starts when it is free', async () => {
    process.kill(await serverPid(subject), 'SIGKILL');
    const stranger = await takePort(mine.port);
    await untilState(subject, 'stopped');
    const client = await world.client();
    const { job } = await client.call('cloneStart', { params });
    const ended = await world.ended(job);
    assert.deepEqual([ended.state, ended.error?.code], ['failed', 'port_taken']);
    assert.match(ended.error?.message ?? '', new RegExp(`${mine.port}`));
    assert.equal((await world.clone(subject)).state, 'stopped');
    // The engine starts anew beside the stranger: the clone stays what it is.
    await world.engine.kill();
    assert.equal((await world.clone(subject)).state, 'stopped');
    await close(stranger);
    await world.done((asking) => asking.call('cloneStart', { params }));
  });

  it('loses nothing when a reset finds the port of its clone taken', async () => {
    process.kill(await serverPid(subject), 'SIGKILL');
    const stranger = await takePort(mine.port);
    await untilState(subject, 'stopped');
    const client = await world.client();
    const { job } = await client.call('cloneReset', { params, body: {} });
    const ended = await world.ended(job);
    assert.deepEqual([ended.state, ended.error?.code], ['failed', 'port_taken']);
    assert.equal((await world.clone(subject)).state, 'stopped');
    await close(stranger);
    await world.done((asking) => asking.call('cloneStart', { params }));
  });

  it('says so after a reboot when a stranger has the port, and never takes the stranger for the clone', async () => {
    await world.engine.crashMachine();
    const stranger = await takePort(mine.port);
    assert.equal((await world.clone('bystander')).state, 'ready');
    const clone = await world.clone(subject);
    assert.equal(clone.state, 'stopped');
    assert.match(clone.problem ?? '', /taken by another program/);
    await close(stranger);
    await world.done((asking) => asking.call('cloneStart', { params }));
  });

  it('gives nobody else the port of a stopped clone', async () => {
    process.kill(await serverPid(subject), 'SIGKILL');
    await untilState(subject, 'stopped');
    await world.engine.stop();
    await world.done((client) => client.call('cloneCreate', { body: { environment, name: 'other' } }));
    assert.notEqual((await world.connection('other')).port, mine.port);
    await world.done((client) => client.call('cloneDestroy', { params: { clone: 'other' } }));
    await world.done((client) => client.call('cloneStart', { params }));
  });

  it('serves one home with one engine, however many are started at once', async () => {
    for (let round = 0; round < 4; round++) {
      await world.engine.stop();
      const children = Array.from({ length: 5 }, () =>
        spawn(process.execPath, [world.engine.program.file, 'serve'], {
          env: { ...process.env, ...world.engine.program.env, THIN_CLONES_HOME: world.engine.home },
          stdio: 'ignore',
        }),
      );
      const losers = new Set<number | null>();
      const codes = children.map(async (child) => {
        const [code] = (await once(child, 'exit')) as [number | null];
        losers.add(code);
        return code;
      });
      // Four of them end by themselves, politely; the fifth goes on.
      let ended = 0;
      for (const code of codes) void code.then(() => (ended += 1));
      const deadline = performance.now() + patienceMs;
      while (ended < 4) {
        assert.ok(performance.now() < deadline, `${ended} of 4 have ended`);
        await sleep(10);
      }
      assert.deepEqual([...losers], [0]);
      const { info } = await world.connect();
      assert.ok(children.some(({ pid, exitCode }) => pid === info.pid && exitCode === null));
      await world.engine.stop();
      await Promise.all(codes);
    }
  });

  it('gives way to a newer build, and its clones go on', async () => {
    const pid = await serverPid(subject);
    const old = await world.connect();
    const program = { ...world.engine.program, build: 'newer' };
    const newer = await connectEngine({ paths: world.engine.paths, user: 'tester', program });
    assert.notEqual(newer.info.pid, old.info.pid);
    newer.close();
    await world.gone(old.info.pid);
    assert.equal(await serverPid(subject), pid);
    await world.engine.stop();
  });

  it('keeps an engine that works until its job has ended, then lets the newer one in', async () => {
    const old = await world.connect();
    const { job } = await startSlowRefresh();
    const options = {
      paths: world.engine.paths,
      user: 'tester',
      program: { ...world.engine.program, build: 'newer' },
    };
    const same = await connectEngine(options);
    assert.equal(same.info.pid, old.info.pid);
    same.close();
    await old.client.call('jobCancel', { params: { job: job.id } });
    assert.equal((await world.ended(job)).state, 'cancelled');
    const newer = await connectEngine(options);
    assert.notEqual(newer.info.pid, old.info.pid);
    await stopEngine(newer, options);
  });

  it('ends each job that it had acknowledged as it should, however often newer builds ask for its place meanwhile', async () => {
    const options = {
      paths: world.engine.paths,
      user: 'tester',
      program: { ...world.engine.program, build: 'newer' },
    };
    const name = 'upgraded';
    const requests: readonly ((client: Client) => Promise<{ job: Job }>)[] = [
      (client) => client.call('cloneCreate', { body: { environment, name } }),
      (client) => client.call('cloneCommit', { params: { clone: name }, body: { message: 'm', name: 'm' } }),
      (client) => client.call('cloneReset', { params: { clone: name }, body: { keepAs: 'kept' } }),
      (client) => client.call('cloneDestroy', { params: { clone: name } }),
      (client) => client.call('snapshotDelete', { params: { snapshot: 'kept' } }),
      (client) => client.call('snapshotDelete', { params: { snapshot: 'm' } }),
    ];
    const engines = new Set<number>();
    for (const request of requests) {
      const { job } = await request(await world.client());
      for (;;) {
        const newer = await connectEngine(options);
        engines.add(newer.info.pid);
        const now = await newer.client.call('jobShow', { params: { job: job.id } });
        newer.close();
        if (now.endedAt === null) continue;
        assert.equal(now.state, 'succeeded', now.error?.message);
        break;
      }
    }
    assert.ok(engines.size > 1, 'none was replaced');
  });

  it('tells a job that a stop ended as interrupted, and leaves nothing of it', async () => {
    const { job } = await startSlowRefresh();
    await world.engine.stop();
    const { state, error } = await world.ended(job);
    assert.deepEqual([state, error?.code], ['failed', 'interrupted']);
  });

  /** A refresh that would take a minute: its dump sleeps. */
  async function startSlowRefresh() {
    const client = await world.client();
    await client.call('environmentApply', {
      params: { name: 'slow' },
      body: {
        definition: {
          members: {
            db: { engine: 'postgres', retrieval: 'dump', dump: await world.slowDump(), database: 'shop' },
          },
        },
      },
    });
    const answer = await client.call('environmentRefresh', { params: { environment: 'slow' }, body: {} });
    for (;;) {
      const { items } = await client.call('jobLines', { params: { job: answer.job.id } });
      if (items.length > 0) return answer;
      await sleep(10);
    }
  }

  it('refuses requests clearly while another engine hangs', async () => {
    const { info } = await world.connect();
    process.kill(info.pid, 'SIGSTOP');
    try {
      const signal = AbortSignal.timeout(500);
      const asking = connectEngine({ paths: world.engine.paths, user: 'tester', program: undefined, signal });
      assert.equal(await codeOf(asking), 'canceled');
    } finally {
      process.kill(info.pid, 'SIGCONT');
    }
  });
});
