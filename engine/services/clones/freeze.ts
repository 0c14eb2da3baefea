/** Makes a snapshot of a clone as it is now: a live copy where the store shows one moment, else with its servers stopped. */
import type { StepContext } from '../../jobs/steps.ts';
import type { DatasetId, MemberName } from '../../protocol/ids.ts';
import type { CloneRecord, SnapshotRecord } from '../../state/store.ts';
import { all, databaseOf, type ServiceContext } from '../context.ts';
import { allTelling } from '../memberProgress.ts';
import { loginOf, startOptions } from './cloneServers.ts';
import type { Servers } from './servers.ts';
import { snapshotTags } from '../tags.ts';

export interface FrozenMember {
  name: MemberName;
  dataset: DatasetId;
}

/** The clone's data as clean, read-only datasets that are still tagged `filling`. Its servers are left as they were found. */
export async function freezeClone(
  context: ServiceContext,
  servers: Servers,
  clone: CloneRecord,
  snapshot: SnapshotRecord,
  frozen: readonly FrozenMember[],
  step: Pick<StepContext<unknown, unknown>, 'job' | 'signal' | 'report'>,
  restart: boolean,
): Promise<void> {
  const { storage } = context;
  const options = startOptions(context, clone);
  await allTelling(clone.members, step.report, async (member, onProgress) => {
    const target = frozen.find(({ name }) => name === member.name);
    if (target === undefined) throw new Error(`no dataset was reserved for ${member.name}`);
    const database = databaseOf(context, member.engine);
    const running = await servers.running(member);
    if (running && storage.capabilities.live) {
      await servers.flush(member, options, step.signal);
    } else if (running) {
      step.report.line(`Stopping ${member.name}: this storage copies only what does not run`);
      await servers.stop(member, 'clean', step.signal);
    }
    try {
      const tags = snapshotTags(context, snapshot, member.name, target.dataset, 'filling', step.job);
      await storage.clone(member.dataset, target.dataset, tags, {
        signal: step.signal,
        onProgress: (fraction) => onProgress(fraction / 2),
      });
    } finally {
      if (running && !storage.capabilities.live && restart) {
        await servers.start(member, { ...options, login: loginOf(context, clone, member) });
      }
    }
    const settling = {
      ...step.report,
      progress: (fraction: number) => onProgress(0.5 + fraction / 2),
    };
    await database.settle(
      {
        target: storage.path(target.dataset),
        dataset: target.dataset,
        mark: step.job,
        version: member.version,
        image: member.image,
      },
      settling,
      step.signal,
    );
    await storage.makeReadOnly(target.dataset);
  });
}

/** Takes back what `freezeClone` made. */
export async function dropFrozen(
  context: ServiceContext,
  clone: Pick<CloneRecord, 'members'>,
  frozen: readonly FrozenMember[],
  mark: string,
): Promise<void> {
  await all(frozen, async ({ name, dataset }) => {
    const engine = clone.members.find((member) => member.name === name)?.engine;
    if (engine !== undefined) {
      await databaseOf(context, engine).abandon(mark, context.storage.path(dataset), dataset);
    }
    await context.storage.destroy(dataset);
  });
}

/** Bytes of a finished snapshot. */
export async function measureSnapshot(
  context: ServiceContext,
  datasets: readonly DatasetId[],
): Promise<SnapshotRecord['bytes']> {
  const usages = await all(datasets, (dataset) => context.storage.usage(dataset));
  const unshared = usages.map((usage) => usage.unshared);
  return {
    logical: usages.reduce((sum, usage) => sum + usage.logical, 0),
    unshared: unshared.some((bytes) => bytes === null)
      ? null
      : unshared.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0),
  };
}
