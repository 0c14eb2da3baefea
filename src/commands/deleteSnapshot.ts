/** Deletes a snapshot that no clone stands on. */
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { confirmLoss } from '../dialogs/confirm.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickSnapshot } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { sizeOf } from '../views/amounts.ts';
import type { RowOf } from '../views/rowId.ts';

export async function deleteSnapshot(services: Services, row?: RowOf<'snapshot'>): Promise<void> {
  const snapshot = await pickSnapshot(services, row, {
    title: 'Delete Snapshot',
    placeHolder: 'Which snapshot is no longer needed?',
    accept: ({ state }) => state === 'ready',
  });
  if (snapshot === undefined) return;
  const { unshared } = snapshot.bytes;
  // One that clones stand on is refused by the engine, with their names: no question before that.
  const answer =
    snapshot.clones.length > 0
      ? 'yes'
      : await confirmLoss({
          about: 'deleteSnapshot',
          message: `Delete snapshot ${snapshot.name}?`,
          detail: `The data of this moment${unshared === null ? '' : ` (${sizeOf(unshared)} of its own)`} is gone for good.`,
          action: 'Delete',
        });
  if (answer === undefined) return;
  await runJob(services, (client, options) =>
    client.call('snapshotDelete', { params: { snapshot: referenceSchema.parse(snapshot.id) } }, options),
  );
}
