/** Deletes a snapshot; the clones that start from it go first, or it stays. */
import type { Snapshot } from '../../engine/protocol/entities.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { confirmLoss } from '../dialogs/confirm.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickSnapshot } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { sizeOf } from '../views/amounts.ts';
import type { RowOf } from '../views/rowId.ts';
import { destroyFirst, namesOf } from './destroyFirst.ts';

export async function deleteSnapshot(services: Services, row?: RowOf<'snapshot'>): Promise<void> {
  const snapshot = await pickSnapshot(services, row, {
    title: 'Delete Snapshot',
    placeHolder: 'Which snapshot is no longer needed?',
    accept: ({ state }) => state === 'ready',
  });
  if (snapshot === undefined) return;
  if (!(await isWanted(services, snapshot))) return;
  await runJob(services, (client, options) =>
    client.call('snapshotDelete', { params: { snapshot: referenceSchema.parse(snapshot.id) } }, options),
  );
}

/** One that clones start from is deleted only with them, which is told before any question about it alone. */
async function isWanted(services: Services, snapshot: Snapshot): Promise<boolean> {
  const { name, bytes } = snapshot;
  const clones = snapshot.clones.flatMap((id) => services.session.model.clones.get(id) ?? []);
  if (clones.length > 0) {
    const names = namesOf(clones);
    return await destroyFirst(services, clones, {
      about: `Snapshot ${name}`,
      message:
        clones.length === 1
          ? `Clone ${names} starts from snapshot ${name}`
          : `Clones ${names} start from snapshot ${name}`,
      detail:
        'A snapshot is deleted only when no clone starts from it. To keep a clone, reset it to another snapshot first; else its data is gone for good together with the snapshot.',
      page: `Clones of snapshot ${name}`,
    });
  }
  const { unshared } = bytes;
  const answer = await confirmLoss({
    about: 'deleteSnapshot',
    message: `Delete snapshot ${name}?`,
    detail: `The data of this moment${unshared === null ? '' : ` (${sizeOf(unshared)} of its own)`} is gone for good.`,
    action: 'Delete',
  });
  return answer !== undefined;
}
