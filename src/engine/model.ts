/** The extension's copy of what the engine knows: complete entities by kind, kept true by the engine's events. */
import type { Checkout, Clone, Environment, Host, Job, Snapshot } from '../../engine/protocol/entities.ts';
import type { Event, Overview } from '../../engine/protocol/events.ts';
import { createEmitter, type Subscribe } from './emitter.ts';

/** What views and commands may read. */
export interface Entities {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly environments: ReadonlyMap<string, Environment>;
  readonly snapshots: ReadonlyMap<string, Snapshot>;
  readonly clones: ReadonlyMap<string, Clone>;
  readonly checkouts: ReadonlyMap<string, Checkout>;
  readonly jobs: ReadonlyMap<string, Job>;
}

export interface Model extends Entities {
  /** Where the event stream goes on; undefined before the first overview. */
  readonly position: { epoch: string; seq: number } | undefined;
  /** Takes an overview in place of everything known. */
  load(overview: Overview): void;
  /** Takes one event; answers false when the overview must be read again. */
  apply(event: Event): boolean;
  /** Forgets everything, when there is no engine to vouch for it. */
  clear(): void;
  /** Something changed: at once for the first change, then gathered, so that a burst gives a few calls a second. */
  readonly onDidChange: Subscribe<undefined>;
  /** Every state of every job, without delay. */
  readonly onDidChangeJob: Subscribe<Job>;
}

export interface Timer {
  now(): number;
  /** Calls `run` once after `ms`; answers how to take it back. */
  after(ms: number, run: () => void): () => void;
}

export const systemTimer: Timer = {
  now: () => Date.now(),
  after(ms, run) {
    const timeout = setTimeout(run, ms);
    return () => clearTimeout(timeout);
  },
};

/** Calls `run` at once, and then at most once in `intervalMs` however often it is asked to. */
export function gathered(run: () => void, intervalMs: number, timer: Timer): () => void {
  let waiting = false;
  let last = -Infinity;
  return () => {
    if (waiting) return;
    const wait = last + intervalMs - timer.now();
    if (wait <= 0) {
      last = timer.now();
      run();
      return;
    }
    waiting = true;
    timer.after(wait, () => {
      waiting = false;
      last = timer.now();
      run();
    });
  };
}

/** Three calls a second at most: people see no difference, and a tree of 500 clones stays cheap. */
export const refreshIntervalMs = 334;

export function createModel(timer: Timer = systemTimer): Model {
  const hosts = new Map<string, Host>();
  const environments = new Map<string, Environment>();
  const snapshots = new Map<string, Snapshot>();
  const clones = new Map<string, Clone>();
  const checkouts = new Map<string, Checkout>();
  const jobs = new Map<string, Job>();
  const all = [hosts, environments, snapshots, clones, checkouts, jobs];
  const changed = createEmitter<undefined>();
  const jobChanged = createEmitter<Job>();
  const announce = gathered(() => changed.emit(undefined), refreshIntervalMs, timer);
  let position: { epoch: string; seq: number } | undefined;

  const take = (event: Event): boolean => {
    switch (event.kind) {
      case 'host':
        hosts.set(event.entity.name, event.entity);
        return true;
      case 'environment':
        environments.set(event.entity.name, event.entity);
        return true;
      case 'environment.removed':
        environments.delete(event.name);
        return true;
      case 'snapshot':
        snapshots.set(event.entity.id, event.entity);
        return true;
      case 'snapshot.removed':
        snapshots.delete(event.id);
        return true;
      case 'clone':
        clones.set(event.entity.id, event.entity);
        return true;
      case 'clone.removed':
        clones.delete(event.id);
        return true;
      case 'checkout':
        checkouts.set(event.entity.id, event.entity);
        return true;
      case 'checkout.removed':
        checkouts.delete(event.id);
        return true;
      case 'job':
        jobs.set(event.entity.id, event.entity);
        jobChanged.emit(event.entity);
        return true;
      case 'job.removed':
        jobs.delete(event.id);
        return true;
      case 'jobLine':
      case 'resync':
        return false;
    }
  };

  return {
    hosts,
    environments,
    snapshots,
    clones,
    checkouts,
    jobs,
    get position() {
      return position;
    },
    load(overview) {
      for (const map of all) map.clear();
      for (const host of overview.hosts) hosts.set(host.name, host);
      for (const environment of overview.environments) environments.set(environment.name, environment);
      for (const snapshot of overview.snapshots) snapshots.set(snapshot.id, snapshot);
      for (const clone of overview.clones) clones.set(clone.id, clone);
      for (const checkout of overview.checkouts) checkouts.set(checkout.id, checkout);
      for (const job of overview.jobs) jobs.set(job.id, job);
      position = { epoch: overview.epoch, seq: overview.seq };
      announce();
      for (const job of overview.jobs) jobChanged.emit(job);
    },
    apply(event) {
      if (event.kind === 'resync') return false;
      if (position === undefined || event.seq <= position.seq) return true;
      position = { epoch: position.epoch, seq: event.seq };
      if (take(event)) announce();
      return true;
    },
    clear() {
      for (const map of all) map.clear();
      position = undefined;
      announce();
    },
    onDidChange: changed.subscribe,
    onDidChangeJob: jobChanged.subscribe,
  };
}
