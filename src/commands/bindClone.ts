/** Binds a clone to the branch that is checked out, or takes it off again. */
import * as vscode from 'vscode';
import type { Clone } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { branchOf } from '../checkouts/checkoutText.ts';
import type { Place } from '../checkouts/folderFollower.ts';
import { pickClone } from '../dialogs/pick.ts';
import { pickPlace } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';
import type { FolderReference } from './commandIds.ts';
import { useClone } from './makeDatabase.ts';

type Subject = RowOf<'clone'> | FolderReference | undefined;
const rowOf = (subject: Subject): RowOf<'clone'> | undefined =>
  subject !== undefined && 'kind' in subject ? subject : undefined;
const folderOf = (subject: Subject): FolderReference | undefined =>
  subject !== undefined && 'folder' in subject ? subject : undefined;

export async function bindClone(services: Services, subject?: Subject): Promise<void> {
  const title = 'Use Clone for Current Branch';
  const place = await pickPlace(services, folderOf(subject), title);
  if (place === undefined) return;
  const clone = await pickClone(services, rowOf(subject), {
    title,
    placeHolder: 'Which clone?',
    accept: ({ id, environment, state }) =>
      id !== place.checkout.clone &&
      (place.checkout.environment === null || environment === place.checkout.environment) &&
      ['ready', 'stopped'].includes(state),
  });
  if (clone === undefined) return;
  try {
    await useClone(services, place.checkout.id, { clone: clone.id });
  } catch (error) {
    const bound = boundNow(services, place);
    if (!isFailure(error, 'binding_taken') || bound === undefined) throw error;
    if (await confirmExchange(bound, clone)) {
      const client = await services.client();
      await client.call('checkoutUnbind', { params: { checkout: place.checkout.id } });
      await useClone(services, place.checkout.id, { clone: clone.id });
    }
  }
}

const boundNow = ({ session }: Services, { checkout }: Place): Clone | undefined => {
  const branch = session.model.checkouts.get(checkout.id)?.key ?? branchOf(checkout);
  // Other machines may have bound others to a branch of this name.
  const present = session.model.clones.get(checkout.clone ?? '');
  return [...(present === undefined ? [] : [present]), ...session.model.clones.values()].find(
    (clone) =>
      clone.environment === checkout.environment &&
      clone.repository === checkout.repository &&
      clone.branch === branch,
  );
};

async function confirmExchange(bound: Clone, clone: Clone): Promise<boolean> {
  const use = `Use ${clone.name}`;
  const chosen = await vscode.window.showWarningMessage(
    `Branch ${bound.branch ?? ''} has clone ${bound.name}. Use ${clone.name} instead?`,
    { modal: true, detail: `${bound.name} stays as it is and belongs to no branch then.` },
    use,
  );
  return chosen === use;
}

export async function unbindClone(services: Services, subject?: Subject): Promise<void> {
  const row = rowOf(subject)?.key;
  const place = await pickPlace(
    services,
    folderOf(subject),
    'Unbind from Current Branch',
    ({ clone }) => clone !== null && (row === undefined || clone === row),
  );
  if (place === undefined) return;
  const client = await services.client();
  await client.call('checkoutUnbind', { params: { checkout: place.checkout.id } });
}
