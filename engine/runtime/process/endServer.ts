/** Ends a database server with all of its processes: as it is asked, and harder when it does not. */
import { setTimeout as delay } from 'node:timers/promises';
import { untilGone } from '../../machine/endProcesses.ts';
import type { Machine } from '../../machine/machine.ts';
import type { RunningServer, ServerTraits, StopMode } from '../runtime.ts';
import { findServerProcesses } from './serverProcesses.ts';

export interface Patience {
  /** How long a server may take for an immediate stop before all its processes are killed. */
  immediateMs: number;
  /** How long a server may take for a fast shutdown before it is stopped immediately. */
  cleanMs: number;
}
export const usualPatience: Patience = { immediateMs: 5_000, cleanMs: 20_000 };

/**
 * Between two looks at a server that an earlier engine started, whose end nobody is told: an immediate stop takes 13-24 ms,
 * and each look 0.2 ms.
 */
const POLL_MS = 2;
/** The same where its end is told: only the time limit and a cancel need a look. */
const SLOW_POLL_MS = 25;

export const isAlive = async (machine: Machine, server: RunningServer): Promise<boolean> =>
  (await machine.processes.identify(server.pid))?.startedAt === server.startedAt;

interface EndOptions {
  mode: StopMode;
  patience: Patience;
  signal: AbortSignal | undefined;
  /** Called each time that the server has been asked. */
  told: (() => void) | undefined;
}

export async function endServer(
  machine: Machine,
  traits: ServerTraits,
  server: RunningServer,
  { mode, patience, signal, told }: EndOptions,
): Promise<void> {
  const { stopSignals } = traits;
  if (mode === 'clean') {
    await machine.processes.signal(server, stopSignals.clean);
    told?.();
    if (await waitUntilGone(machine, server, patience.cleanMs, signal)) return;
  }
  await machine.processes.signal(server, stopSignals.immediate);
  told?.();
  if (await waitUntilGone(machine, server, patience.immediateMs, signal)) return;
  await killAll(machine, traits, server);
}

/** Resolves to false when the time is over and the process is still there. */
export async function waitUntilGone(
  machine: Machine,
  server: RunningServer,
  patienceMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const end = performance.now() + patienceMs;
  const ended = machine.processes.ended(server);
  while (await isAlive(machine, server)) {
    signal?.throwIfAborted();
    if (performance.now() > end) return false;
    if (ended === undefined) await delay(POLL_MS);
    else await Promise.race([ended, delay(SLOW_POLL_MS)]);
  }
  return true;
}

/**
 * A server that does not end takes its children with it only if it is asked nicely: each of them may have a process
 * group of its own, and one that computes does not notice that its parent is gone.
 */
async function killAll(machine: Machine, traits: ServerTraits, server: RunningServer): Promise<void> {
  const children = await findServerProcesses(machine, traits, server.identity, server.pid);
  await machine.processes.signal(server, 'SIGKILL', true);
  for (const child of children) await machine.processes.signal(child, 'SIGKILL');
  for (const gone of [server, ...children]) await untilGone(machine.processes, gone);
}
