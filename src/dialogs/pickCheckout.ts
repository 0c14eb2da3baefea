/** Finds the checkout that a command is about: the only one that is followed, else the one that is chosen. */
import * as vscode from 'vscode';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { folderName, headText, stateTexts } from '../checkouts/checkoutText.ts';
import type { Folder, Place } from '../checkouts/folderFollower.ts';
import type { FolderReference } from '../commands/commandIds.ts';
import { runCommand } from '../commands/runCommand.ts';
import { NotTrusted, type Services } from '../services.ts';
import { pickValue } from './pick.ts';

async function pickFolderOf(
  folders: readonly Folder[],
  services: Services,
  reference: FolderReference | undefined,
  title: string,
): Promise<Folder | undefined> {
  const named = folders.find(({ key }) => key === reference?.folder);
  if (named !== undefined || folders.length <= 1) return named ?? folders[0];
  const current = services.checkouts.currentFolder()?.key;
  return await pickValue(
    [...folders]
      .sort((a, b) => Number(b.key === current) - Number(a.key === current))
      .map((folder) => {
        const checkout = services.checkouts.follower.checkoutOf(folder);
        return {
          label: folderName(folder.path),
          description:
            checkout === undefined ? 'not followed' : `${headText(checkout)} · ${stateTexts[checkout.state]}`,
          detail: folder.path,
          value: folder,
        };
      }),
    { title, placeHolder: 'In which folder?' },
  );
}

/** Any folder of the window, followed or not. */
export async function pickFolder(
  services: Services,
  reference: FolderReference | undefined,
  title: string,
): Promise<Folder | undefined> {
  // Says so where the window is not trusted, instead of finding no folder.
  if (!vscode.workspace.isTrusted) throw new NotTrusted('This folder is not trusted: no branch is followed.');
  const folders = services.checkouts.folders();
  if (folders.length === 0) {
    void vscode.window.showInformationMessage('Open a folder that is in a Git repository first.');
    return undefined;
  }
  return await pickFolderOf(folders, services, reference, title);
}

/** A followed one; offers to follow the branches where none is. */
export async function pickPlace(
  services: Services,
  reference: FolderReference | undefined,
  title: string,
  accept: (checkout: Checkout) => boolean = ({ follow }) => follow !== 'off',
): Promise<Place | undefined> {
  await services.client();
  const { follower } = services.checkouts;
  // The engine may just have been started for this command.
  await Promise.all(services.checkouts.folders().map((folder) => follower.settled(folder)));
  const places = follower.places().filter(({ checkout }) => accept(checkout));
  if (places.length === 0) {
    await offerToFollow(services);
    return undefined;
  }
  const folder = await pickFolderOf(
    places.map((place) => place.folder),
    services,
    reference,
    title,
  );
  return places.find((place) => place.folder.key === folder?.key);
}

async function offerToFollow(services: Services): Promise<void> {
  const follow = 'Follow Branches';
  const folder = services.checkouts.currentFolder();
  const problem = folder === undefined ? undefined : services.checkouts.follower.problemOf(folder);
  const chosen = await vscode.window.showInformationMessage(
    problem ?? 'The database does not follow the branches of this workspace yet.',
    follow,
  );
  if (chosen === follow) await runCommand('thinClones.branch.follow');
}
