/** Servers in memory for unit tests of services: they start, are found, crash and stop, and nothing ever listens. */
import { fail } from '../../protocol/errors.ts';
import type { RunningServer, Runtime, ServerSpec } from '../runtime.ts';
import { withFaults, type CallOf, type Faults } from '../../machine/fake/faults.ts';

export interface FakeServer extends RunningServer {
  spec: ServerSpec;
}

export interface FakeRuntime extends Runtime {
  readonly faults: Faults<CallOf<Runtime>>;
  /** Running servers by pid. */
  readonly running: ReadonlyMap<number, FakeServer>;
  /** How servers were stopped, in order. */
  readonly stops: readonly { identity: string; mode: string }[];
  /** A server dies by itself. */
  crash(identity: string): void;
  /** As after a reboot: no process is left. */
  reboot(): void;
}

export interface FakeRuntimeOptions {
  /** Says why a server would end right after its start, e.g. a port that a stranger holds. The text becomes its log. */
  refuses?: (spec: ServerSpec) => string | undefined;
  /** Called when a server ends by a stop or a crash. */
  onEnd?: (server: FakeServer, how: 'clean' | 'immediate' | 'crash') => void;
}

export function createFakeRuntime(options: FakeRuntimeOptions = {}): FakeRuntime {
  const running = new Map<number, FakeServer>();
  const stops: { identity: string; mode: string }[] = [];
  const logs = new Map<string, string[]>();
  let lastPid = 1000;
  let boot = 1;

  const byIdentity = (identity: string): FakeServer | undefined =>
    [...running.values()].find((server) => server.identity === identity);
  const end = (server: FakeServer, how: 'clean' | 'immediate' | 'crash'): void => {
    running.delete(server.pid);
    options.onEnd?.(server, how);
  };

  const port: Runtime = {
    async start(spec, signal, { isFresh = false } = {}) {
      signal?.throwIfAborted();
      const before = await port.find(spec);
      if (before !== undefined && isFresh)
        throw new Error(`${spec.identity} is called fresh, and its server runs`);
      if (before !== undefined) return before;
      lastPid += 1;
      const server = { identity: spec.identity, pid: lastPid, startedAt: `${boot}.${lastPid}`, spec };
      const refusal = options.refuses?.(spec);
      logs.set(spec.logFile, [...(logs.get(spec.logFile) ?? []), refusal ?? 'LOG:  ready']);
      if (refusal === undefined) running.set(server.pid, server);
      return { identity: server.identity, pid: server.pid, startedAt: server.startedAt };
    },

    async find(spec) {
      const server = byIdentity(spec.identity);
      if (server?.spec.dataDirectory !== spec.dataDirectory) return undefined;
      return { identity: server.identity, pid: server.pid, startedAt: server.startedAt };
    },

    async alive(server) {
      return running.get(server.pid)?.startedAt === server.startedAt;
    },

    async stop(server, mode, signal, told) {
      signal?.throwIfAborted();
      const found = running.get(server.pid);
      if (found?.startedAt !== server.startedAt) return;
      stops.push({ identity: server.identity, mode });
      end(found, mode);
      told?.();
    },

    async logTail(spec, lines) {
      return (logs.get(spec.logFile) ?? []).slice(-lines);
    },
  };

  const faulty = withFaults(port, (method) =>
    fail('server_start_failed', { server: 'a fake', problem: `fault ordered by the test (${method})` }),
  );
  return {
    ...faulty,
    running,
    stops,
    crash(identity) {
      const server = byIdentity(identity);
      if (server !== undefined) end(server, 'crash');
    },
    reboot() {
      boot += 1;
      for (const server of [...running.values()]) end(server, 'crash');
    },
  };
}
