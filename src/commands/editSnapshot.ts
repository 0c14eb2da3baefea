/** Gives a snapshot another name, and changes what is written of it. */
import * as vscode from 'vscode';
import type { Snapshot } from '../../engine/protocol/entities.ts';
import { referenceSchema, snapshotNameSchema, type SnapshotName } from '../../engine/protocol/ids.ts';
import { askName } from '../dialogs/askName.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickSnapshot } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';

const pick = (
  services: Services,
  row: RowOf<'snapshot'> | undefined,
  title: string,
): Promise<Snapshot | undefined> =>
  pickSnapshot(services, row, {
    title,
    placeHolder: 'Which snapshot?',
    accept: ({ state }) => state === 'ready',
  });

async function edit(
  services: Services,
  { id }: Snapshot,
  body: { name: SnapshotName } | { message: string | null },
): Promise<void> {
  const params = { snapshot: referenceSchema.parse(id) };
  await runJob(services, (client, options) => client.call('snapshotEdit', { params, body }, options));
}

export async function renameSnapshot(services: Services, row?: RowOf<'snapshot'>): Promise<void> {
  const snapshot = await pick(services, row, 'Rename Snapshot');
  if (snapshot === undefined) return;
  const others = [...services.session.model.snapshots.values()].filter(
    ({ id, environment }) => id !== snapshot.id && environment === snapshot.environment,
  );
  const name = await askName(snapshotNameSchema, {
    title: `Rename ${snapshot.name}`,
    prompt: 'New name of the snapshot.',
    value: snapshot.name,
    taken: others.map((each) => each.name),
    kind: 'snapshot',
  });
  if (name !== undefined && name !== snapshot.name) await edit(services, snapshot, { name });
}

export async function editMessage(services: Services, row?: RowOf<'snapshot'>): Promise<void> {
  const snapshot = await pick(services, row, 'Edit Message of a Snapshot');
  if (snapshot === undefined) return;
  // A box has one line.
  const before = (snapshot.message ?? '').replaceAll(/\s*\n\s*/g, ' ');
  const text = await vscode.window.showInputBox({
    title: `Message of ${snapshot.name}`,
    prompt: 'What is in it? Shown instead of its name; without one the name is shown.',
    value: before,
    ignoreFocusOut: true,
    validateInput: (value) => (value.trim().length > 1000 ? 'At most 1000 characters.' : undefined),
  });
  if (text === undefined || text.trim() === before.trim()) return;
  await edit(services, snapshot, { message: text.trim() === '' ? null : text.trim() });
}
