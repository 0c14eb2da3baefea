/** Puts a clone back to the snapshot that it stands on. */
import type { Clone } from '../../engine/protocol/entities.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { confirmLoss } from '../dialogs/confirm.ts';
import { keptName } from '../dialogs/snapshotNames.ts';
import { runJob } from '../dialogs/followJob.ts';
import { lossOf } from '../dialogs/loss.ts';
import { pickClone } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { runCommand } from './runCommand.ts';
import type { RowOf } from '../views/rowId.ts';

export async function resetClone(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Reset Clone',
    placeHolder: 'Which clone goes back to its snapshot?',
    accept: isResettable,
  });
  if (clone === undefined) return;
  await confirmAndReset(services, clone, undefined);
}

/** Looks, and resets nothing. */
const showChangesButton = 'Show Changes';

export const isResettable = ({ state }: Clone): boolean => ['ready', 'stopped', 'failed'].includes(state);

/** Asks if needed, then resets. `target`: a snapshot's id, "latest", or undefined for the one that it stands on. */
export async function confirmAndReset(
  services: Services,
  clone: Clone,
  target: { readonly reference: string; readonly text: string } | undefined,
): Promise<void> {
  const { model } = services.session;
  const snapshot = model.snapshots.get(clone.snapshot);
  const to = target?.text ?? `snapshot ${snapshot?.name ?? clone.snapshot}`;
  const lost = await lossOf(services, clone, 'is lost');
  const answer = await confirmLoss({
    about: 'reset',
    message: `Reset clone ${clone.name} to ${to}?`,
    detail: `${lost} Port, user and password stay the same.`,
    action: 'Reset',
    extras: ['Keep Old State and Reset', ...(clone.state === 'ready' ? ([showChangesButton] as const) : [])],
  });
  if (answer === undefined) return;
  if (answer === showChangesButton) {
    await runCommand('thinClones.clone.showChanges', { kind: 'clone', key: clone.id });
    return;
  }
  const keepAs =
    answer === 'yes'
      ? undefined
      : keptName(
          clone.name,
          [...model.snapshots.values()].map(({ name }) => name),
        );
  await runJob(services, (client, options) =>
    client.call(
      'cloneReset',
      {
        params: { clone: referenceSchema.parse(clone.id) },
        body: {
          ...(target !== undefined && { snapshot: referenceSchema.parse(target.reference) }),
          ...(keepAs !== undefined && { keepAs }),
        },
      },
      options,
    ),
  );
}
