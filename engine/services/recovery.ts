/** What the engine does when it starts: finish or undo old jobs, compare state and storage, bring clones back up. */
import { cloneUser } from '../domain/naming.ts';
import { reconcile, type ObservedDataset } from '../domain/reconcile.ts';
import type { JobKind } from '../jobs/steps.ts';
import type { CloneId, DatasetId, SnapshotId } from '../protocol/ids.ts';
import type { CloneRecord } from '../state/store.ts';
import type { Dataset } from '../storage/storage.ts';
import { all, databaseOf, type ServiceContext } from './context.ts';
import type { Servers } from './servers.ts';

export interface RecoveryReport {
  adopted: { snapshots: number; clones: number };
  swept: number;
  lost: readonly DatasetId[];
  puzzling: readonly DatasetId[];
}

export interface Recovery {
  /** Idempotent. */
  run(kinds: readonly JobKind[]): Promise<RecoveryReport>;
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

export function createRecovery(context: ServiceContext, servers: Servers): Recovery {
  const { store, storage, runner, log, vault } = context;

  const adopt = (
    datasets: ReadonlyMap<DatasetId, Dataset>,
    snapshots: readonly SnapshotId[],
    clones: readonly { clone: CloneId; generation: number }[],
  ): void => {
    store.transaction(() => {
      for (const { tags } of datasets.values()) {
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
          store.snapshots.put({ ...record, state: 'ready' });
        } else {
          const { clone, generation, sealedPassword } = content;
          store.clones.put({
            ...clone,
            state: 'ready',
            generation,
            sealedPassword,
            usedAt: context.clock.now().toISOString(),
          });
        }
      }
    });
  };

  const sweep = async (dataset: Dataset): Promise<void> => {
    const engine =
      dataset.tags.content.kind === 'clone' ? dataset.tags.content.clone.members[0]?.engine : 'postgres';
    if (engine !== undefined) await databaseOf(context, engine).abandon(dataset.id, dataset.path, dataset.id);
    await storage.destroy(dataset.id);
  };

  /** A machine that rebooted, or a server that ended while no engine looked: what should run is started again. */
  const bringUp = async (clone: CloneRecord): Promise<void> => {
    const running = await all(clone.members, (member) => servers.running(member));
    if (clone.state !== 'ready' || running.every(Boolean)) return;
    log.info('starting a clone that should run', { clone: clone.id, name: clone.name });
    const durable = context.catalog.environment(clone.environment).definition.clones.durable ?? true;
    try {
      const login = { user: cloneUser, password: vault.open(clone.sealedPassword) };
      await all(clone.members, (member) => servers.start(member, { title: clone.name, durable, login }));
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      log.warning('a clone could not be started', { clone: clone.id, problem });
      const members = clone.members.map((member) => ({ ...member, state: 'stopped' as const }));
      store.clones.put({ ...clone, state: 'stopped', members, problem });
    }
  };

  return {
    async run(kinds) {
      await runner.recover(kinds);
      const datasets = new Map((await storage.list()).map((dataset) => [dataset.id, dataset]));
      const clones = store.clones.list();
      const snapshots = store.snapshots.list();
      const plan = reconcile([...datasets.values()].map(observe), {
        referenced: new Set(
          [...clones, ...snapshots].flatMap(({ members }) => members.map(({ dataset }) => dataset)),
        ),
        generations: new Map(clones.map(({ id, generation }) => [id, generation])),
        snapshots: new Set(snapshots.map(({ id }) => id)),
      });
      adopt(datasets, plan.adoptSnapshots, plan.adoptClones);
      for (const id of plan.sweep) {
        const dataset = datasets.get(id);
        if (dataset !== undefined) await sweep(dataset);
      }
      for (const clone of clones) {
        if (clone.members.some(({ dataset }) => plan.lost.includes(dataset))) {
          store.clones.put({ ...clone, state: 'failed', problem: 'Its data is no longer in the storage.' });
        }
      }
      await Promise.all(store.clones.list().map(bringUp));
      await storage.emptyTrash();
      const report: RecoveryReport = {
        adopted: { snapshots: plan.adoptSnapshots.length, clones: plan.adoptClones.length },
        swept: plan.sweep.length,
        lost: plan.lost,
        puzzling: plan.puzzling,
      };
      log.info('recovered', { ...report });
      return report;
    },
  };
}
