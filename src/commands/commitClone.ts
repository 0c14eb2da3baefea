/** Makes a snapshot of a clone as it is now. */
import * as vscode from 'vscode';
import { referenceSchema, snapshotNameSchema } from '../../engine/protocol/ids.ts';
import { askName } from '../dialogs/askName.ts';
import { runJob } from '../dialogs/followJob.ts';
import { committedName } from '../dialogs/snapshotNames.ts';
import { pickClone } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';

export async function commitClone(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Commit Clone as Snapshot',
    placeHolder: 'Which clone?',
    accept: ({ state }) => state === 'ready' || state === 'stopped',
  });
  if (clone === undefined) return;
  const title = `Commit ${clone.name} as Snapshot`;
  const message = await vscode.window.showInputBox({
    title,
    prompt: 'What is in it? Shown beside the snapshot.',
    placeHolder: 'e.g. orders migrated to the new schema',
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() === '' ? 'A message is needed.' : undefined),
  });
  if (message === undefined) return;
  const names = [...services.session.model.snapshots.values()].map((snapshot) => snapshot.name as string);
  const name = await askName(snapshotNameSchema, {
    title,
    prompt: 'Name of the snapshot.',
    value: committedName(message, clone.name, names),
    taken: names,
    kind: 'snapshot',
  });
  if (name === undefined) return;
  const job = await runJob(services, (client, options) =>
    client.call(
      'cloneCommit',
      { params: { clone: referenceSchema.parse(clone.id) }, body: { message: message.trim(), name } },
      options,
    ),
  );
  if (job?.object.kind === 'snapshot') await services.tree.reveal({ kind: 'snapshot', key: job.object.id });
}
