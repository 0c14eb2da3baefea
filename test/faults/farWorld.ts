/**
 * A real engine behind a line that can be cut, slowed or go dead: each connection through it has a bridge of its own, as each login
 * by ssh has.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Link } from '../../engine/link/link.ts';
import { fail, type ThinClonesError } from '../../engine/protocol/errors.ts';
import { startLineProxy, type LineProxy } from '../hosts/machines/lineProxy.ts';
import { repository } from '../support/engine.ts';
import { fillWorld, openWorld, type World, type WorldOptions } from './world.ts';

export interface FarWorld {
  world: World;
  line: LineProxy;
  /** Leads there through the line. */
  link: Link;
  /** SIGKILL for every bridge. */
  killBridges(): void;
  /** Bridges are of this command line from now on; null: of the checkout's. */
  bridgeFrom(file: string | null): void;
  dispose(): Promise<void>;
}

export async function openFarWorld(name: string, options: WorldOptions = {}): Promise<FarWorld> {
  const world = await openWorld(options);
  try {
    await fillWorld(world);
    const bridges = await startBridges(world);
    const line = await startLineProxy(bridges.port);
    return {
      ...{ world, line, link: linkThrough(name, line.port) },
      killBridges: () => bridges.kill(),
      bridgeFrom: (file) => bridges.use(file ?? ownFile),
      async dispose() {
        await line.close();
        await bridges.close();
        await world.dispose();
      },
    };
  } catch (error) {
    await world.dispose();
    throw error;
  }
}

const ownFile = `${repository}/engine/cli/main.ts`;

async function startBridges({ engine }: World): Promise<{
  port: number;
  kill: () => void;
  use: (file: string) => void;
  close: () => Promise<void>;
}> {
  const bridges = new Set<ChildProcess>();
  let file = ownFile;
  const ends = new Set<Promise<unknown>>();
  const server = createServer({ noDelay: true }, (socket) => {
    const bridge = spawn(process.execPath, [file, 'engine', 'bridge'], {
      env: { ...process.env, ...engine.program.env, THIN_CLONES_HOME: engine.home },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    bridges.add(bridge);
    const end = new Promise((resolve) => bridge.once('close', resolve)).then(() => {
      bridges.delete(bridge);
      ends.delete(end);
      socket.destroySoon();
    });
    ends.add(end);
    // best effort: either side may be cut at any moment, which is what happens here.
    for (const stream of [socket, bridge.stdin, bridge.stdout]) stream.on('error', () => undefined);
    socket.once('close', () => bridge.stdin.destroy());
    socket.pipe(bridge.stdin);
    bridge.stdout.pipe(socket, { end: false });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const kill = (): void => {
    for (const bridge of bridges) bridge.kill('SIGKILL');
  };
  return {
    port: (server.address() as AddressInfo).port,
    kill,
    use: (wanted) => (file = wanted),
    async close() {
      server.close();
      kill();
      await Promise.all(ends);
    },
  };
}

function linkThrough(name: string, port: number): Link {
  return {
    address: `line://${name}`,
    async open({ signal }) {
      const problem = (text: string): ThinClonesError =>
        fail('host_unreachable', { host: name, problem: text });
      const bytes = await reach(port, signal, problem);
      const { promise: ended, resolve } = Promise.withResolvers<ThinClonesError>();
      bytes.on('error', (error) => resolve(problem(error.message)));
      bytes.once('close', () => resolve(problem('the line was cut')));
      return { bytes, ended, close: () => bytes.destroy() };
    },
  };
}

const reach = (
  port: number,
  signal: AbortSignal,
  problem: (text: string) => ThinClonesError,
): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const bytes = connect({ port, host: '127.0.0.1', noDelay: true });
    const onAbort = (): void => {
      bytes.destroy();
      reject(fail('canceled', {}, { cause: signal.reason }));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    bytes.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(bytes);
    });
    bytes.once('error', (error) => reject(problem(error.message)));
  });
