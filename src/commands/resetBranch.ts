/** Puts the current branch's clone back: to the snapshot that it stands on, or to the latest one. */
import * as vscode from 'vscode';
import { pickPlace } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import { confirmAndReset, isResettable } from './resetClone.ts';
import type { FolderReference } from './commandIds.ts';

type Target = Parameters<typeof confirmAndReset>[2];

export const resetBranch = (services: Services, folder?: FolderReference): Promise<void> =>
  reset(services, folder, 'Reset Current Branch', undefined);

export const resetBranchToLatest = (services: Services, folder?: FolderReference): Promise<void> =>
  reset(services, folder, 'Reset Current Branch to Latest Snapshot', {
    reference: 'latest',
    text: 'the latest snapshot',
  });

async function reset(
  services: Services,
  folder: FolderReference | undefined,
  title: string,
  target: Target,
): Promise<void> {
  const place = await pickPlace(services, folder, title);
  if (place === undefined) return;
  const clone = services.session.model.clones.get(place.checkout.clone ?? '');
  if (clone === undefined || !isResettable(clone)) {
    void vscode.window.showInformationMessage(
      place.checkout.reason ?? 'The current branch has no database to reset now.',
    );
    return;
  }
  await confirmAndReset(services, clone, target);
}
