/** Copies the data of a snapshot for a clone, so that servers can be started on it at once. */
import type { Reporter } from '../../database/database.ts';
import type { CloneRecord, SnapshotRecord } from '../../state/store.ts';
import { all, databaseOf, type ServiceContext } from '../context.ts';
import { allTelling } from '../memberProgress.ts';
import { cloneTags } from '../tags.ts';
import type { CloneParts } from './parts.ts';
import { datasetOf } from './rows.ts';

/** Still tagged `filling`; `clone` is the row as it will be. */
export async function copySnapshot(
  { context, cloneServers }: Pick<CloneParts, 'context' | 'cloneServers'>,
  snapshot: SnapshotRecord,
  clone: CloneRecord,
  step: { signal: AbortSignal; report: Reporter },
): Promise<void> {
  const { logical } = snapshot.bytes;
  if (!context.storage.capabilities.thin && logical !== null)
    step.report.line(`Copying all of ${inMegabytes(logical)}: this storage makes full copies`);
  // What the servers need besides their data takes as long as the copy of little data.
  const works = [() => copyMembers(context, snapshot, clone, step), () => cloneServers.prepare(clone)];
  await all(works, (work) => work());
}

const inMegabytes = (bytes: number): string =>
  bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

async function copyMembers(
  context: ServiceContext,
  snapshot: SnapshotRecord,
  clone: CloneRecord,
  { signal, report }: { signal: AbortSignal; report: Reporter },
): Promise<void> {
  await allTelling(clone.members, report, async ({ name, dataset, engine }, onProgress) => {
    const tags = cloneTags(context, clone, name, dataset, 'filling');
    const source = datasetOf(snapshot, name);
    const copy = await context.storage.clone(source, dataset, tags, { signal, onProgress });
    await databaseOf(context, engine).makeStartable(copy.path);
  });
}
