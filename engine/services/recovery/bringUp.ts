/**
 * Starts the clones that should run and do not: after a reboot of the machine, or when a server ended while no engine
 * looked. Until then they are told as stopped and starting, which the next engine understands as well if this one ends.
 */
import { tellServers } from '../../domain/cloneRow.ts';
import type { Job } from '../../protocol/entities.ts';
import type { CloneId } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import type { CloneServers } from '../clones/cloneServers.ts';
import type { ServiceContext } from '../context.ts';
import { looksAtOnce, type RecoveryParts } from './parts.ts';

export interface BringUp {
  /** Finds what should run; resolves when each clone is looked at, or its look is left to itself. */
  find(renewed: ReadonlySet<CloneId>): Promise<void>;
  /** Starts those, a few at once, those of branches first; resolves when each was tried. What the signal ends is left to the next engine. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when a clone is not waiting to be brought up, or being it; its turn comes at once. */
  settled(clone: CloneId): Promise<void>;
}

/** Starts of servers at once, after a reboot: more only fight for the disk. */
const startsAtOnce = 6;

const isStarting = ({ state, members }: CloneRecord): boolean =>
  state === 'stopped' && members.some((member) => member.state === 'starting');

const holderOf = ({ runner }: ServiceContext, id: CloneId): Job | undefined =>
  runner.holder([{ key: id, mode: 'exclusive' }]);

export function createBringUp(parts: RecoveryParts, cloneServers: CloneServers): BringUp {
  const { context, looks, bestEffort } = parts;
  const { store } = context;
  let hasLooked = false;
  /** Clones whose turn has not come, in their order, and those whose turn it is. */
  const waiting = new Set<CloneId>();
  const underway = new Map<CloneId, Promise<void>>();
  /** Those that a job of an earlier engine still works on, which may leave them without their servers, and whether their passwords are renewed. */
  const held = new Map<CloneId, boolean>();
  let stop = new AbortController().signal;

  const look = async (
    clone: CloneRecord,
    renewed: boolean,
    isLeft: () => boolean = () => false,
  ): Promise<void> => {
    if (clone.state === 'failed') return;
    if (holderOf(context, clone.id) !== undefined) {
      held.set(clone.id, renewed);
      return;
    }
    const running = await cloneServers.running(clone);
    // It was left to itself: the watch tells what it finds, and others may be at work on it.
    if (isLeft()) return;
    const isUp = running.every(Boolean);
    // One that is up although its row says stopped was started by somebody who did not come to say so, nor to its password.
    const shouldRun =
      clone.state === 'ready' || isStarting(clone) || isUp || (renewed && running.some(Boolean));
    if (!shouldRun) {
      await tellRunning(context, cloneServers, clone, clone.problem);
      return;
    }
    if (clone.state === 'ready' && isUp && !renewed) return;
    const members = clone.members.map((member) => ({ ...member, state: 'starting' as const }));
    const started = { stoppedBy: null, problem: 'It is being started.' };
    store.clones.put({ ...clone, state: 'stopped', members, ...started });
    waiting.add(clone.id);
  };

  const takeTurn = async (id: CloneId): Promise<void> => {
    waiting.delete(id);
    const turn = bestEffort('a clone could not be brought up', { clone: id }, () =>
      bringUp(context, cloneServers, id, stop),
    );
    underway.set(id, turn);
    await turn;
    underway.delete(id);
  };

  /** Takes no place among those that are started: how long the job takes, nobody knows. */
  const takeTurnAfterJob = async (id: CloneId, renewed: boolean): Promise<void> => {
    await bestEffort('a clone could not be looked at', { clone: id }, async () => {
      for (;;) {
        const holder = holderOf(context, id);
        if (holder === undefined) break;
        await context.runner.ended(holder.id);
      }
      const clone = store.clones.get(id);
      if (clone !== undefined && !stop.aborted) await look(clone, renewed);
    });
    if (waiting.has(id)) await takeTurn(id);
  };

  return {
    async find(renewed) {
      hasLooked = false;
      held.clear();
      await looks.at(store.clones.list(), looksAtOnce, (clone) =>
        bestEffort('a clone could not be looked at', { clone: clone.id }, () =>
          look(clone, renewed.has(clone.id), () => hasLooked),
        ),
      );
      hasLooked = true;
    },
    async run(signal) {
      stop = signal;
      // Somebody may be working on a branch right now.
      const isBound = ({ branch }: CloneRecord): number => (branch === null ? 0 : 1);
      const order = store.clones.list().filter(({ id }) => waiting.has(id));
      waiting.clear();
      for (const { id } of order.sort((a, b) => isBound(b) - isBound(a))) waiting.add(id);
      const turns = [...held].map(([id, renewed]) => takeTurnAfterJob(id, renewed));
      const worker = async (): Promise<void> => {
        for (const id of waiting) {
          if (signal.aborted) return;
          await takeTurn(id);
        }
      };
      await Promise.all(Array.from({ length: startsAtOnce }, worker));
      await Promise.all([...underway.values(), ...turns]);
      waiting.clear();
    },
    async settled(id) {
      await (waiting.has(id) ? takeTurn(id) : underway.get(id));
    },
  };
}

/** Jobs on the clone go first, and may take it over in the middle of a start: they leave it as it should be. */
async function bringUp(
  context: ServiceContext,
  cloneServers: CloneServers,
  id: CloneId,
  signal: AbortSignal,
): Promise<void> {
  const { store, runner, log } = context;
  const isOver = (): boolean => signal.aborted;
  for (;;) {
    const holder = holderOf(context, id);
    if (holder !== undefined) {
      await runner.ended(holder.id);
      continue;
    }
    const clone = store.clones.get(id);
    if (isOver() || clone?.state !== 'stopped' || clone.stoppedBy !== null) return;
    let problem: string | null = null;
    try {
      log.info('starting a clone that should run', { clone: id, name: clone.name });
      await cloneServers.start(clone, { signal });
    } catch (error) {
      if (isOver()) return;
      problem = error instanceof Error ? error.message : String(error);
      log.warning('a clone could not be started', { clone: id, problem });
    }
    if (await tellRunning(context, cloneServers, clone, problem)) return;
  }
}

/** The row says which of its servers run. False: a job has taken the clone meanwhile. */
async function tellRunning(
  context: ServiceContext,
  cloneServers: CloneServers,
  { id, generation }: CloneRecord,
  problem: string | null,
): Promise<boolean> {
  const { store } = context;
  const found = store.clones.get(id);
  const running = found === undefined ? [] : await cloneServers.running(found);
  const clone = store.clones.get(id);
  if (clone === undefined) return true;
  if (holderOf(context, id) !== undefined || clone.generation !== generation) return false;
  const told = tellServers(clone, running, problem);
  const isKnown =
    told.state === clone.state &&
    told.problem === clone.problem &&
    told.members.every(({ state }, index) => state === clone.members[index]?.state);
  if (!isKnown) store.clones.put(told);
  return true;
}
