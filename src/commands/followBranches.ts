/** Chooses whether the database follows the branches of a folder, and which environment it comes from. */
import { isFailure } from '../../engine/protocol/errors.ts';
import type { Follow } from '../../engine/protocol/follow.ts';
import type { Folder } from '../checkouts/folderFollower.ts';
import { changeFollowSetting } from '../checkouts/followSetting.ts';
import { pickEnvironment, pickValue } from '../dialogs/pick.ts';
import { pickFolder } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import type { FolderReference } from './commandIds.ts';

const title = 'Follow Branches';
const chooseTitle = 'Choose Environment';

export async function followBranches(services: Services, reference?: FolderReference): Promise<void> {
  const folder = await pickFolder(services, reference, title);
  if (folder === undefined) return;
  await services.client();
  const checkout = services.checkouts.follower.checkoutOf(folder);
  const present = checkout?.follow;
  const several = services.session.model.environments.size > 1;
  const choice = (label: string, description: string, value: Follow) => ({
    label,
    description: value === present ? `${description} · now` : description,
    value,
  });
  const chosen = await pickValue<Follow | 'environment'>(
    [
      choice('$(question) Ask', 'before a branch gets a database of its own', 'ask'),
      choice('$(zap) Automatically', 'every branch gets its own when it is checked out', 'automatic'),
      choice('$(circle-slash) Off', 'nothing happens at a checkout; clones stay', 'off'),
      ...(several
        ? [
            {
              label: '$(database) Another environment…',
              description: checkout?.environment ?? 'none is chosen yet',
              value: 'environment' as const,
            },
          ]
        : []),
    ],
    { title, placeHolder: 'What happens when a branch without a database is checked out?' },
  );
  if (chosen === undefined) return;
  if (chosen === 'environment') {
    await openInEnvironment(services, folder, {});
    return;
  }
  await changeFollowSetting(folder, chosen);
  try {
    await services.checkouts.follower.open(folder, { follow: chosen });
  } catch (error) {
    if (!isFailure(error, 'environment_unchosen')) throw error;
    await openInEnvironment(services, folder, { follow: chosen });
    return;
  }
  const opened = services.checkouts.follower.checkoutOf(folder);
  if (chosen !== 'off' && opened?.environment === null) await openInEnvironment(services, folder, {});
}

/** Chooses which of several environments a folder's branches get their data from. */
export async function chooseEnvironment(services: Services, reference?: FolderReference): Promise<void> {
  const { follower } = services.checkouts;
  await services.client();
  const lacking = services.checkouts.folders().filter((folder) => follower.lacksEnvironment(folder));
  const [only, ...others] = lacking;
  const implied = only === undefined || others.length > 0 ? undefined : { folder: only.key };
  const folder = await pickFolder(services, reference ?? implied, chooseTitle);
  if (folder === undefined) return;
  await openInEnvironment(services, folder, {});
}

async function openInEnvironment(
  services: Services,
  folder: Folder,
  { follow }: { follow?: Follow },
): Promise<void> {
  const { environments } = services.session.model;
  const [only] = environments.values();
  const environment =
    environments.size === 1
      ? only
      : await pickEnvironment(services, undefined, {
          title,
          placeHolder: 'Whose data do the branches get?',
        });
  if (environment === undefined) return;
  await services.checkouts.follower.open(folder, {
    environment: environment.name,
    ...(follow !== undefined && { follow }),
  });
}
