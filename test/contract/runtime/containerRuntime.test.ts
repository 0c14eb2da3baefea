import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { userInfo } from 'node:os';
import { installationIdSchema } from '../../../engine/protocol/ids.ts';
import { createContainers, type Containers } from '../../../engine/runtime/container/containers.ts';
import { findServerProcesses } from '../../../engine/runtime/process/serverProcesses.ts';
import type { RunningServer, ServerSpec } from '../../../engine/runtime/runtime.ts';
import type { PinnedImage } from '../../../engine/protocol/entities.ts';
import { serverTraits } from '../../../engine/database/engines.ts';
import { openPostgresBench, type PostgresBench } from '../../support/postgresBench.ts';
import { bundledHost, startPostgresSource, testPrograms } from '../../support/postgresSource.ts';
import { noDocker, startDocker, type TestDocker } from '../../support/docker/engine.ts';
import { makeOtherImage, makePostgresImage } from '../../support/docker/images.ts';
import { skipSuite } from '../../support/skips.ts';
import { runtimeContract, type RuntimeHarness } from './runtime.contract.ts';

const MAJOR = 16;
const POSTGRES = `/usr/lib/postgresql/${MAJOR}/bin/postgres`;
const silent = { line: () => undefined, progress: () => undefined };

interface World extends RuntimeHarness {
  docker: TestDocker;
  bench: PostgresBench;
  containers: Containers;
  newContainers(installation?: string): Containers;
  /** A server of another image. */
  specOf(identity: string, image: PinnedImage): Promise<ServerSpec>;
}

async function openWorld(): Promise<World> {
  const undo = new AsyncDisposableStack();
  try {
    const docker = await startDocker({ arguments: ['--live-restore'] });
    undo.defer(() => docker.close());
    await makePostgresImage(docker.client, { name: 'clones-test/postgres:16', major: MAJOR });
    await makePostgresImage(docker.client, { name: 'clones-test/bare:16', major: MAJOR, hasShell: false });
    const bench = await openPostgresBench(testPrograms(undefined, bundledHost));
    undo.defer(() => bench.close());
    const source = await startPostgresSource({ major: MAJOR, bundledOnly: true });
    undo.defer(() => source.remove());
    await source.stop();
    const golden = await bench.retrieve({ retrieval: 'directory', directory: source.dataDirectory });
    const { machine, database } = bench;
    const newContainers = (installation = 'inst-aaaaaaaaaaaaaaaa'): Containers =>
      createContainers({
        ...{ machine, traits: serverTraits, home: bench.root, folder: path.join(bench.root, 'programs') },
        variables: { DOCKER_HOST: docker.host },
        user: { name: userInfo().username, uid: userInfo().uid, gid: userInfo().gid },
        installation: installationIdSchema.parse(installation),
      });
    const containers = newContainers();
    const { runtime, images } = containers;
    const pinned = await images.pin('clones-test/postgres:16', silent);
    const specOf = async (identity: string, image: PinnedImage): Promise<ServerSpec> => {
      const spec = await bench.specFor(await bench.copy(golden.target), golden.version);
      const args = spec.args.map((arg) =>
        arg === `cluster_name=${spec.identity}` ? `cluster_name=${identity}` : arg,
      );
      return { ...spec, identity, args, program: POSTGRES, image };
    };
    const rest = undo.move();
    return {
      ...{ docker, bench, containers, newContainers, runtime, specOf },
      restarted: () => newContainers().runtime,
      newSpec: (identity) => specOf(identity, pinned),
      untilUp: (spec, server) => database.ready(spec, () => runtime.alive(server), undefined),
      async crash(server) {
        const children = await findServerProcesses(machine, serverTraits[0], server.identity, server.pid);
        await machine.processes.signal(server, 'SIGKILL');
        for (const gone of [server, ...children])
          while ((await machine.processes.identify(gone.pid)) !== undefined)
            await new Promise((resolve) => setImmediate(resolve));
      },
      async brokenSpec(identity) {
        const spec = await specOf(identity, pinned);
        await writeFile(path.join(spec.dataDirectory, 'PG_VERSION'), '9.1\n');
        return spec;
      },
      close: () => rest.disposeAsync(),
    };
  } catch (error) {
    await undo.disposeAsync();
    throw error;
  }
}

describe('servers in containers', function () {
  this.timeout(300_000);
  const undo = new AsyncDisposableStack();
  let world: World;
  before(async function () {
    const obstacle = await noDocker();
    if (obstacle !== undefined) skipSuite(this, obstacle);
    world = await openWorld();
    undo.defer(() => world.close());
  });
  after(() => undo.disposeAsync());

  // One engine for all: the contract's own harness closes nothing.
  runtimeContract('containers of a Docker Engine', async () => ({ ...world, close: async () => undefined }));

  const started = async (
    identity: string,
    image?: PinnedImage,
  ): Promise<{ spec: ServerSpec; server: RunningServer }> => {
    const spec = await (image === undefined ? world.newSpec(identity) : world.specOf(identity, image));
    const server = await world.runtime.start(spec);
    await world.untilUp(spec, server);
    return { spec, server };
  };
  const containerOf = ({ container }: RunningServer) => {
    assert.ok(container !== undefined);
    return world.docker.client.getContainer(container);
  };
  const containersLeft = async (): Promise<readonly string[]> =>
    (await world.docker.client.listContainers({ all: true })).flatMap(({ Names }) => Names);

  it('gives a container nothing that its server does not need', async () => {
    const { spec, server } = await started('data-llllllllllllllll');
    const { HostConfig, Config, Name } = await containerOf(server).inspect();
    assert.equal(Name, '/thin-clones-data-llllllllllllllll');
    assert.deepEqual(HostConfig.CapDrop, ['ALL']);
    assert.equal(HostConfig.NetworkMode, 'host');
    assert.equal(HostConfig.ReadonlyRootfs, true);
    assert.equal(HostConfig.RestartPolicy?.Name, 'no');
    const owner = world.bench.machine.serverUser ?? userInfo();
    assert.equal(Config.User, `${owner.uid}:${owner.gid}`);
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^CapBnd:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, new RegExp(`^Uid:\t${owner.uid}\t${owner.uid}\t`, 'm'));
    // Of this machine's addresses on loopback alone (proc(5): 0100007F is 127.0.0.1).
    const port = (spec.port ?? 0).toString(16).toUpperCase().padStart(4, '0');
    const sockets = await readFile('/proc/net/tcp', 'utf8');
    assert.match(sockets, new RegExp(` 0100007F:${port} `));
    assert.doesNotMatch(sockets, new RegExp(` 00000000:${port} `));
    await world.runtime.stop(server, 'clean');
    assert.deepEqual(await containersLeft(), []);
  });

  it('holds a server to the memory and processors that it may take', async () => {
    const spec = await world.newSpec('data-mmmmmmmmmmmmmmmm');
    const server = await world.runtime.start({
      ...spec,
      limits: { memoryBytes: 256 * 1024 ** 2, cpus: 0.5 },
    });
    await world.untilUp(spec, server);
    const { HostConfig } = await containerOf(server).inspect();
    assert.equal(HostConfig.Memory, 256 * 1024 ** 2);
    assert.equal(HostConfig.NanoCpus, 5e8);
    await world.runtime.stop(server, 'immediate');
  });

  it('has the server write its log into its file', async () => {
    const { spec, server } = await started('data-nnnnnnnnnnnnnnnn');
    assert.match(await readFile(spec.logFile, 'utf8'), /database system is ready to accept connections/);
    await world.runtime.stop(server, 'clean');
    assert.match(await readFile(spec.logFile, 'utf8'), /database system is shut down/);
  });

  it('runs a server of an image without a shell, and takes its log from the daemon', async () => {
    const image = await world.containers.images.pin('clones-test/bare:16', silent);
    const { spec, server } = await started('data-oooooooooooooooo', image);
    assert.match((await world.runtime.logTail(spec, 5)).join('\n'), /ready to accept connections/);
    await world.runtime.stop(server, 'clean');
    assert.match(await readFile(spec.logFile, 'utf8'), /database system is shut down/);
    assert.deepEqual(await containersLeft(), []);
  });

  it('leaves a container alone that has our name and is not ours', async () => {
    const name = 'thin-clones-data-pppppppppppppppp';
    const { docker, containers } = world;
    const { id } = await containers.images.pin('clones-test/postgres:16', silent);
    const stranger = await docker.client.createContainer({ name, Image: id, Cmd: ['postgres', '--version'] });
    const before = await stranger.inspect();
    const { spec, server } = await started('data-pppppppppppppppp');
    assert.notEqual(server.container, before.Id);
    assert.deepEqual(await world.restarted().find(spec), server);
    await world.runtime.stop(server, 'immediate');
    assert.deepEqual(await stranger.inspect(), before);
    await stranger.remove();
  });

  it("leaves another installation's container alone, whatever its dataset is called", async () => {
    const { spec, server } = await started('data-qqqqqqqqqqqqqqqq');
    const other = world.newContainers('inst-bbbbbbbbbbbbbbbb');
    assert.equal(await other.runtime.find(spec), undefined);
    assert.equal(await world.runtime.alive(server), true);
    await world.runtime.stop(server, 'immediate');
  });

  it('finds a container that somebody renamed', async () => {
    const { spec, server } = await started('data-rrrrrrrrrrrrrrrr');
    await containerOf(server).rename({ name: 'mine-now' });
    assert.deepEqual(await world.restarted().find(spec), server);
    await world.runtime.stop(server, 'immediate');
    assert.deepEqual(await containersLeft(), []);
  });

  it('starts a server again whose container somebody removed', async () => {
    const { spec, server } = await started('data-ssssssssssssssss');
    await containerOf(server).remove({ force: true });
    assert.equal(await world.runtime.alive(server), false);
    assert.equal(await world.runtime.find(spec), undefined);
    const again = await world.runtime.start(spec);
    await world.untilUp(spec, again);
    await world.runtime.stop(again, 'immediate');
  });

  it('has a container that somebody paused go on at a start, and ends one', async () => {
    const { spec, server } = await started('data-tttttttttttttttt');
    await containerOf(server).pause();
    assert.deepEqual(await world.runtime.start(spec), server);
    await world.untilUp(spec, server);
    await containerOf(server).pause();
    await world.runtime.stop(server, 'clean');
    assert.equal(await world.runtime.find(spec), undefined);
    assert.deepEqual(await containersLeft(), []);
  });

  it('finds the server of a container that somebody restarted', async () => {
    const { spec, server } = await started('data-uuuuuuuuuuuuuuuu');
    await containerOf(server).restart();
    assert.equal(await world.runtime.alive(server), false);
    const found = await world.runtime.find(spec);
    assert.equal(found?.container, server.container);
    assert.ok(found !== undefined);
    await world.untilUp(spec, found);
    await world.runtime.stop(found, 'immediate');
  });

  it('goes on without the daemon, is found and ended meanwhile, and is started by the next one', async () => {
    const { spec, server } = await started('data-vvvvvvvvvvvvvvvv');
    const other = await started('data-wwwwwwwwwwwwwwww');
    await world.docker.kill();
    assert.equal(await world.runtime.alive(server), true);
    await world.untilUp(spec, server);
    const found = await world.restarted().find(spec);
    assert.equal(found?.pid, server.pid);
    await world.runtime.stop(other.server, 'clean');
    assert.equal(await world.runtime.find(other.spec), undefined);
    await assert.rejects(world.runtime.start(await world.newSpec('data-xxxxxxxxxxxxxxxx')), {
      code: 'docker_unavailable',
    });
    await world.docker.start();
    assert.deepEqual(await world.runtime.find(spec), server);
    const again = await world.runtime.start(other.spec);
    await world.untilUp(other.spec, again);
    for (const each of [server, again]) await world.runtime.stop(each, 'immediate');
    assert.deepEqual(await containersLeft(), []);
  });

  it('refuses an image that is gone, by its name', async () => {
    const { docker, containers } = world;
    await makeOtherImage(docker.client, 'clones-test/other:1');
    const image = await containers.images.pin('clones-test/other:1', silent);
    await docker.client.getImage('clones-test/other:1').remove();
    const spec = await world.specOf('data-yyyyyyyyyyyyyyyy', image);
    await assert.rejects(world.runtime.start(spec), { code: 'image_gone' });
    await assert.rejects(containers.images.require(image, silent), { code: 'image_gone' });
    assert.deepEqual(await containersLeft(), []);
  });

  it('refuses a program that the image has not, and leaves nothing', async () => {
    const { docker, containers } = world;
    await makeOtherImage(docker.client, 'clones-test/other:1');
    const image = await containers.images.pin('clones-test/other:1', silent);
    const spec = { ...(await world.specOf('data-zzzzzzzzzzzzzzzz', image)), program: '/no/postgres' };
    const server = await world.runtime.start(spec);
    while (await world.runtime.alive(server)) await new Promise((resolve) => setImmediate(resolve));
    assert.match((await world.runtime.logTail(spec, 3)).join('\n'), /\/no\/postgres: not found/);
    await world.runtime.stop(server, 'immediate');
    assert.deepEqual(await containersLeft(), []);
  });

  it('runs a program once as the owner of data, and leaves nothing', async () => {
    const { images } = world.containers;
    const image = await images.pin('clones-test/postgres:16', silent);
    const target = await world.bench.newTarget();
    const bin = `/usr/lib/postgresql/${MAJOR}/bin`;
    const command = {
      program: `${bin}/initdb`,
      args: ['-D', target, '--no-sync', '--locale=C'],
      folders: [target],
    };
    const made = await images.run(image, { ...command, parse: (result) => result });
    assert.equal(made.code, 0, made.stderr);
    const query = 'SELECT 40 + 2 AS answer\n';
    const single = { program: POSTGRES, args: ['--single', '-D', target, 'postgres'], folders: [target] };
    const said = await images.run(image, { ...single, stdin: query, parse: (result) => result });
    assert.match(said.stdout, /answer = "42"/);
    assert.deepEqual(
      await images.present(image, [POSTGRES, '/none', '/bin/sh']),
      new Set([POSTGRES, '/bin/sh']),
    );
    assert.deepEqual(await images.searchPath(image), [bin, '/bin']);
    assert.deepEqual(await containersLeft(), []);
  });

  it('kills a program that runs once when nobody wants it any more', async () => {
    const { images } = world.containers;
    const image = await images.pin('clones-test/postgres:16', silent);
    const enough = new AbortController();
    const running = images.run(
      image,
      { program: '/bin/sh', args: ['-c', 'echo up >&2; read never </dev/zero'], parse: () => undefined },
      { signal: enough.signal, onStderrLine: () => enough.abort() },
    );
    await assert.rejects(running, { name: 'AbortError' });
    assert.deepEqual(await containersLeft(), []);
  });

  it('says what the registry says when an image is not here', async () => {
    await assert.rejects(
      world.containers.images.pin('127.0.0.1:9/nobody/nothing:1', silent),
      (error: Error) => {
        assert.equal('code' in error && error.code, 'image_pull_failed');
        assert.match(error.message, /127\.0\.0\.1:9.*refused/);
        return true;
      },
    );
  });
});
