/** What the engine does when it starts: finish or undo old jobs, compare state and storage, bring clones back up. */
import { join } from 'node:path';
import { cloneUser, freeName } from '../domain/naming.ts';
import { reconcile, type ObservedDataset } from '../domain/reconcile.ts';
import { endMarked } from '../host/endProcesses.ts';
import type { JobKind } from '../jobs/steps.ts';
import type { DatabaseEngine, Job } from '../protocol/entities.ts';
import {
  cloneNameSchema,
  datasetIdSchema,
  jobIdSchema,
  snapshotNameSchema,
  type CloneId,
  type DatasetId,
  type JobId,
  type SnapshotId,
} from '../protocol/ids.ts';
import type { CloneRecord } from '../state/store.ts';
import type { Dataset } from '../storage/storage.ts';
import { all, databaseOf, type ServiceContext } from './context.ts';
import { dropSnapshot } from './environments/dropSnapshot.ts';
import type { Servers } from './clones/servers.ts';
import { createLooks } from './upkeep/looks.ts';
import { cloneTags, sayTheSame, snapshotTags } from './tags.ts';

export interface RecoveryReport {
  adopted: { snapshots: number; clones: number };
  swept: number;
  lost: readonly DatasetId[];
  puzzling: readonly DatasetId[];
}

export interface Recovery {
  /** Idempotent. Resolves when state and storage agree; members of clones that are to be brought up are `starting` then. */
  run(kinds: readonly JobKind[]): Promise<RecoveryReport>;
  /** Starts those clones, a few at once, those of branches first; resolves when each was tried. What the signal ends is left to the next engine. */
  bringUp(signal: AbortSignal): Promise<void>;
  /** Resolves when a clone is not waiting to be brought up, or being it; its turn comes at once. */
  settled(clone: CloneId): Promise<void>;
}

const observe = ({ id, tags }: Dataset): ObservedDataset =>
  tags.content.kind === 'snapshot'
    ? {
        id,
        state: tags.state,
        content: { kind: 'snapshot', snapshot: tags.content.snapshot.id },
        members: tags.content.snapshot.members.length,
      }
    : {
        id,
        state: tags.state,
        content: { kind: 'clone', clone: tags.content.clone.id, generation: tags.content.generation },
        members: tags.content.clone.members.length,
      };

const lostProblem = 'Its data is no longer in the storage.';
/** Starts of servers at once, after a reboot: more only fight for the disk. */
const startsAtOnce = 6;
/** Looks at processes, and removals, at once. */
const looksAtOnce = 12;
/** A server that must be killed, and what is left of it, takes less. */
const patienceMs = 20_000;

/** Each dataset is of one member, whose engine is its own. A snapshot that is being filled does not tell its members yet. */
const engineOf = ({ member, content, environment }: Dataset['tags']): DatabaseEngine | undefined => {
  const { members } = content.kind === 'clone' ? content.clone : content.snapshot;
  return (
    members.find(({ name }) => name === member)?.engine ?? environment.definition.members[member]?.engine
  );
};

export function createRecovery(context: ServiceContext, servers: Servers): Recovery {
  const { store, storage, runner, log, vault, host, directories } = context;
  let hasLooked = false;

  /** When the tags of a dataset were last a whole truth, for choosing between environments' definitions. */
  const ageOf = ({ tags: { content } }: Dataset): string =>
    content.kind === 'snapshot'
      ? content.snapshot.createdAt
      : (content.clone.resetAt ?? content.clone.createdAt);

  const adopt = (
    datasets: ReadonlyMap<DatasetId, Dataset>,
    snapshots: readonly SnapshotId[],
    clones: readonly { clone: CloneId; generation: number }[],
  ): void => {
    store.transaction(() => {
      // Newest first: an environment gets the newest definition that stands anywhere.
      for (const { tags } of [...datasets.values()].sort((a, b) => (ageOf(a) < ageOf(b) ? 1 : -1))) {
        const { content, environment } = tags;
        const wanted =
          content.kind === 'snapshot'
            ? snapshots.includes(content.snapshot.id)
            : clones.some(
                ({ clone, generation }) => clone === content.clone.id && generation === content.generation,
              );
        if (!wanted) continue;
        if (store.environments.get(environment.name) === undefined) {
          store.environments.put({ ...environment, sealedPasswords: {} });
        }
        if (content.kind === 'snapshot') {
          const { clones: _, ...record } = content.snapshot;
          const others = store.snapshots
            .list()
            .filter((each) => each.environment === record.environment && each.id !== record.id);
          const name = snapshotNameSchema.parse(
            freeName(record.name, new Set(others.map((each) => each.name))),
          );
          store.snapshots.put({ ...record, name, state: 'ready' });
        } else {
          const { clone, generation, sealedPassword } = content;
          const others = store.clones.list().filter(({ id }) => id !== clone.id);
          const name = cloneNameSchema.parse(freeName(clone.name, new Set(others.map((each) => each.name))));
          store.clones.put({
            ...clone,
            name,
            state: 'ready',
            members: clone.members.map((member) => ({ ...member, state: 'ready' as const })),
            problem: null,
            generation,
            sealedPassword,
            usedAt: context.clock.now().toISOString(),
            ...{ countedAt: context.clock.now().toISOString(), worktree: null, finished: null },
          });
        }
      }
    });
  };

  const sweep = async ({ id, path, tags }: Dataset): Promise<void> => {
    const engine = engineOf(tags);
    if (engine === undefined) await endMarked(host.processes, [tags.job ?? id, id]);
    else await databaseOf(context, engine).abandon(tags.job ?? id, path, id);
    await storage.destroy(id);
  };

  /** For work on many: one that hangs is left to itself, and keeps nobody from the others. */
  const looks = createLooks(context.clock, patienceMs);

  /**
   * Data in use that is tagged as doomed, or a snapshot that was being deleted and whose data is partly gone: somebody
   * gave it up, and the job that removed it failed. It is never offered again, so the rest goes too.
   */
  const finishGivenUp = async (datasets: Map<DatasetId, Dataset>): Promise<void> => {
    const isDoomed = ({ dataset }: { dataset: DatasetId }): boolean =>
      datasets.get(dataset)?.tags.state === 'doomed';
    const remove = async (members: readonly { dataset: DatasetId }[]): Promise<void> => {
      for (const { dataset } of members) {
        const found = datasets.get(dataset);
        if (found !== undefined) await sweep(found);
        datasets.delete(dataset);
      }
    };
    const clones = store.clones.list().filter(({ members }) => members.some(isDoomed));
    await looks.at(clones, looksAtOnce, ({ id, members }) =>
      bestEffort('a clone that was given up could not be removed', { clone: id }, async () => {
        await remove(members);
        store.clones.remove(id);
      }),
    );
    const snapshots = store.snapshots.list().filter(({ state, members }) => {
      const isPartlyGone = state === 'deleting' && members.some(({ dataset }) => !datasets.has(dataset));
      return isPartlyGone || members.some(isDoomed);
    });
    await looks.at(snapshots, looksAtOnce, ({ id, members }) =>
      bestEffort('a snapshot that was given up could not be removed', { snapshot: id }, async () => {
        await remove(members);
        store.snapshots.remove(id);
      }),
    );
  };

  /** What an undo that failed, or a job that this version does not understand, left running. */
  const endProcessesOf = (jobs: readonly { id: JobId }[]): Promise<void> =>
    looks.at(jobs, looksAtOnce, ({ id }) =>
      bestEffort('the processes of a job could not be ended', { job: id }, () =>
        endMarked(host.processes, [id]),
      ),
    );

  /** Beginnings of branches that an engine ended between: their clones were never made, or have gone. */
  const releaseBeginnings = async (): Promise<void> => {
    for (const snapshot of store.snapshots.list()) {
      if (snapshot.origin !== 'branch' || snapshot.state !== 'ready') continue;
      if (context.catalog.clonesOf(snapshot.id).length > 0) continue;
      await bestEffort(
        'the beginning of a branch could not be removed',
        { snapshot: snapshot.id },
        async () => {
          await dropSnapshot(context, snapshot);
          store.snapshots.remove(snapshot.id);
        },
      );
    }
  };

  /** What a job that this version could not understand, or an undo that failed, left in between. */
  const settleRows = (): void => {
    for (const clone of store.clones.list()) {
      const busy = runner.holder([{ key: clone.id, mode: 'exclusive' }]) !== undefined;
      if (busy || ['ready', 'stopped', 'failed'].includes(clone.state)) continue;
      // Nobody has seen it, and its copy may be half: its data is swept as unfinished.
      if (clone.state === 'creating') store.clones.remove(clone.id);
      else store.clones.put({ ...clone, state: 'ready' });
    }
    for (const snapshot of store.snapshots.list()) {
      const busy = runner.holder([{ key: snapshot.id, mode: 'exclusive' }]) !== undefined;
      if (busy || snapshot.state === 'ready') continue;
      if (snapshot.state === 'deleting') store.snapshots.put({ ...snapshot, state: 'ready' });
      else store.snapshots.remove(snapshot.id);
    }
  };

  const markLost = (lost: ReadonlySet<DatasetId>): void => {
    for (const clone of store.clones.list()) {
      const isLost = clone.members.some(({ dataset }) => lost.has(dataset));
      if (isLost) {
        const members = clone.members.map((member) => ({ ...member, state: 'failed' as const }));
        store.clones.put({ ...clone, state: 'failed', members, problem: lostProblem });
      } else if (clone.state === 'failed' && clone.problem === lostProblem) {
        store.clones.put({ ...clone, state: 'ready', problem: null });
      }
    }
  };

  const isReadable = (sealed: string): boolean => {
    try {
      vault.open(sealed);
      return true;
    } catch {
      return false; // best effort: the key was lost, so the password is too
    }
  };

  /** Clones and checkouts whose password nobody knows any more get a new one, which is as good: one for each repository. */
  const renewPasswords = (): Set<CloneId> => {
    const renewed = new Set<CloneId>();
    const newFor = (repository: string | null): string => {
      const others = [...store.checkouts.list(), ...store.clones.list()].filter(
        (each) => repository !== null && each.repository === repository,
      );
      const known = others.find(({ sealedPassword }) => isReadable(sealedPassword));
      return known?.sealedPassword ?? vault.seal(context.random.password());
    };
    for (const checkout of store.checkouts.list()) {
      if (isReadable(checkout.sealedPassword)) continue;
      log.warning('a checkout gets a new password: the old one can not be read', { checkout: checkout.id });
      store.checkouts.put({ ...checkout, sealedPassword: newFor(checkout.repository) });
    }
    for (const clone of store.clones.list()) {
      if (isReadable(clone.sealedPassword)) continue;
      log.warning('a clone gets a new password: the old one can not be read', { clone: clone.id });
      store.clones.put({ ...clone, sealedPassword: newFor(clone.repository) });
      renewed.add(clone.id);
    }
    return renewed;
  };

  /**
   * The tags say what the rows say: the engine may have ended between a row and its tags, a power cut may have taken the
   * last words back, adopting may have changed a name, and somebody the definition of the environment.
   */
  const retag = async (datasets: ReadonlyMap<DatasetId, Dataset>): Promise<void> => {
    const clones = store.clones.list().filter(({ state }) => state === 'ready' || state === 'stopped');
    const wanted = [
      ...clones.flatMap((clone) =>
        clone.members.map(({ name, dataset }) => cloneTags(context, clone, name, dataset, 'ready')),
      ),
      ...store.snapshots
        .list()
        .flatMap((snapshot) =>
          snapshot.members.map(({ name, dataset }) =>
            snapshotTags(context, snapshot, name, dataset, 'ready'),
          ),
        ),
    ];
    for (const tags of wanted) {
      const found = datasets.get(tags.dataset)?.tags;
      // What is doomed and still there could not be removed: that is for the next start.
      if (found === undefined || found.state === 'doomed' || sayTheSame(found, tags)) continue;
      await bestEffort('tags could not be written', { dataset: tags.dataset }, () =>
        storage.tag(tags.dataset, tags),
      );
    }
  };

  /** Socket folders and logs of servers whose data is nowhere any more. */
  const clearLeftovers = async (datasets: ReadonlyMap<DatasetId, Dataset>): Promise<void> => {
    const used = new Set<DatasetId>([
      ...datasets.keys(),
      ...store.clones.list().flatMap(({ members }) => members.map(({ dataset }) => dataset)),
    ]);
    const found = [
      ...(await host.files.list(directories.sockets)).map(({ name }) => `data-${name}`),
      ...(await host.files.list(directories.serverLogs)).map(({ name }) => name.replace(/\.log$/, '')),
    ];
    const unused = found
      .map((text) => datasetIdSchema.safeParse(text).data)
      .filter((id) => id !== undefined && !used.has(id));
    await servers.clear([...new Set(unused)].filter((id) => id !== undefined));
    const scratch = (await host.files.list(directories.scratch)).flatMap(({ name }) => {
      const { data: id } = jobIdSchema.safeParse(name);
      return id === undefined ? [] : [{ id }];
    });
    await endProcessesOf(scratch);
    for (const { id } of scratch) await host.files.remove(join(directories.scratch, id));
  };

  /** The row says which of its servers run; a clone whose servers all do is ready. False: a job has taken it meanwhile. */
  const tellRunning = async ({ id, generation }: CloneRecord, problem: string | null): Promise<boolean> => {
    const found = store.clones.get(id);
    const running = await all(found?.members ?? [], (member) => servers.running(member));
    const clone = store.clones.get(id);
    if (clone === undefined) return true;
    if (holderOf(id) !== undefined || clone.generation !== generation) return false;
    const isUp = running.every(Boolean);
    const members = clone.members.map((member, index) => ({
      ...member,
      state: running[index] === true ? ('ready' as const) : ('stopped' as const),
    }));
    if (!isUp && members.every(({ state }, index) => state === clone.members[index]?.state)) {
      if (clone.state === 'stopped' && problem === clone.problem) return true;
    }
    store.clones.put({
      ...clone,
      state: isUp ? 'ready' : 'stopped',
      members,
      problem: isUp ? null : problem,
    });
    return true;
  };

  const holderOf = (id: CloneId): Job | undefined => runner.holder([{ key: id, mode: 'exclusive' }]);
  const isStarting = ({ state, members }: CloneRecord): boolean =>
    state === 'stopped' && members.some((member) => member.state === 'starting');

  /**
   * A machine that rebooted, or a server that ended while no engine looked: what should run will be started again. It is
   * told as stopped and starting until then, which the next engine understands as well if this one ends.
   */
  const look = async (clone: CloneRecord, renewed: boolean): Promise<void> => {
    if (clone.state === 'failed') return;
    const running = await all(clone.members, (member) => servers.running(member));
    // It was left to itself: the watch tells what it finds, and others may be at work on it.
    if (hasLooked) return;
    const isUp = running.every(Boolean);
    // One that is up although its row says stopped was started by somebody who did not come to say so, nor to its password.
    const shouldRun =
      clone.state === 'ready' || isStarting(clone) || isUp || (renewed && running.some(Boolean));
    if (!shouldRun) {
      await tellRunning(clone, clone.problem);
      return;
    }
    if (clone.state === 'ready' && isUp && !renewed) return;
    const members = clone.members.map((member) => ({ ...member, state: 'starting' as const }));
    store.clones.put({ ...clone, state: 'stopped', members, problem: 'It is being started.' });
    waiting.add(clone.id);
  };

  /** Jobs on the clone go first, and may take it over in the middle of a start: they leave it as it should be. */
  const bringUp = async (id: CloneId, signal: AbortSignal): Promise<void> => {
    const isOver = (): boolean => signal.aborted;
    for (;;) {
      const holder = holderOf(id);
      if (holder !== undefined) {
        await runner.ended(holder.id);
        continue;
      }
      const clone = store.clones.get(id);
      if (isOver() || clone?.state !== 'stopped') return;
      let problem: string | null = null;
      try {
        log.info('starting a clone that should run', { clone: id, name: clone.name });
        const durable = context.catalog.environment(clone.environment).definition.clones.durable ?? true;
        const login = { user: cloneUser, password: vault.open(clone.sealedPassword) };
        await all(clone.members, (member) =>
          servers.start(member, { title: clone.name, durable, login, signal }),
        );
      } catch (error) {
        if (isOver()) return;
        problem = error instanceof Error ? error.message : String(error);
        log.warning('a clone could not be started', { clone: id, problem });
      }
      if (await tellRunning(clone, problem)) return;
    }
  };

  /** Clones whose turn has not come, in their order, and those whose turn it is. */
  const waiting = new Set<CloneId>();
  const underway = new Map<CloneId, Promise<void>>();
  let stop = new AbortController().signal;
  const takeTurn = async (id: CloneId): Promise<void> => {
    waiting.delete(id);
    const turn = bestEffort('a clone could not be brought up', { clone: id }, () => bringUp(id, stop));
    underway.set(id, turn);
    await turn;
    underway.delete(id);
  };

  const bestEffort = async (what: string, fields: Record<string, unknown>, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      // best effort: it is tried again at the next start, and must not keep people from their clones
      log.warning(what, { ...fields, problem: error instanceof Error ? error.message : String(error) });
    }
  };

  return {
    async run(kinds) {
      hasLooked = false;
      const left = store.jobs.unfinished();
      await runner.recover(kinds);
      await endProcessesOf(left);
      const datasets = new Map((await storage.list()).map((dataset) => [dataset.id, dataset]));
      await finishGivenUp(datasets);
      settleRows();
      const clones = store.clones.list();
      const snapshots = store.snapshots.list();
      const plan = reconcile([...datasets.values()].map(observe), {
        referenced: new Set(
          [...clones, ...snapshots].flatMap(({ members }) => members.map(({ dataset }) => dataset)),
        ),
        generations: new Map(clones.map(({ id, generation }) => [id, generation])),
        snapshots: new Set(snapshots.map(({ id }) => id)),
        withoutData: new Set(
          clones
            .filter(({ members }) => members.some(({ dataset }) => !datasets.has(dataset)))
            .map(({ id }) => id),
        ),
      });
      adopt(datasets, plan.adoptSnapshots, plan.adoptClones);
      const unfinished = plan.sweep.map((id) => datasets.get(id)).filter((each) => each !== undefined);
      await looks.at(unfinished, looksAtOnce, (dataset) =>
        bestEffort('an unfinished dataset could not be removed', { dataset: dataset.id }, async () => {
          await sweep(dataset);
          datasets.delete(dataset.id);
        }),
      );
      markLost(new Set(plan.lost));
      // Whoever does not know all clones does not know that nobody stands on it.
      if (plan.adoptSnapshots.length === 0 && plan.puzzling.length === 0) await releaseBeginnings();
      // Nobody looked while no engine ran, so nobody knows that a clone was idle: its time begins anew.
      const now = context.clock.now().toISOString();
      store.transaction(() => {
        for (const clone of store.clones.list()) {
          const { idleTtl } = context.catalog.environment(clone.environment).definition.clones;
          if (idleTtl !== undefined) store.clones.put({ ...clone, usedAt: now });
        }
      });
      const renewed = renewPasswords();
      await bestEffort('tags could not be compared', {}, () => retag(datasets));
      await looks.at(store.clones.list(), looksAtOnce, (clone) =>
        bestEffort('a clone could not be looked at', { clone: clone.id }, () =>
          look(clone, renewed.has(clone.id)),
        ),
      );
      hasLooked = true;
      await bestEffort('leftovers could not be removed', {}, () => clearLeftovers(datasets));
      const report: RecoveryReport = {
        adopted: { snapshots: plan.adoptSnapshots.length, clones: plan.adoptClones.length },
        swept: plan.sweep.length,
        lost: plan.lost,
        puzzling: plan.puzzling,
      };
      log.info('recovered', { ...report });
      return report;
    },
    async bringUp(signal) {
      stop = signal;
      // Somebody may be working on a branch right now.
      const isBound = ({ branch }: CloneRecord): number => (branch === null ? 0 : 1);
      const order = store.clones.list().filter(({ id }) => waiting.has(id));
      waiting.clear();
      for (const { id } of order.sort((a, b) => isBound(b) - isBound(a))) waiting.add(id);
      const worker = async (): Promise<void> => {
        for (const id of waiting) {
          if (signal.aborted) return;
          await takeTurn(id);
        }
      };
      await Promise.all([
        bestEffort('the trash could not be emptied', {}, () => storage.emptyTrash({ signal })),
        ...Array.from({ length: startsAtOnce }, worker),
      ]);
      await Promise.all(underway.values());
      waiting.clear();
    },
    async settled(id) {
      await (waiting.has(id) ? takeTurn(id) : underway.get(id));
    },
  };
}
