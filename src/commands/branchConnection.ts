/** Connects to the current branch's database by its stable address: copies the URL, opens psql. */
import * as vscode from 'vscode';
import { formatConnection } from '../../engine/protocol/connectionString.ts';
import type { Connection } from '../../engine/protocol/entities.ts';
import type { Place } from '../checkouts/folderFollower.ts';
import { pickValue } from '../dialogs/pick.ts';
import { pickPlace } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import { openPsqlOn } from './openPsql.ts';
import type { FolderReference } from './commandIds.ts';

export async function copyBranchUrl(services: Services, folder?: FolderReference): Promise<void> {
  const title = 'Copy Stable Connection URL';
  const place = await pickPlace(services, folder, title);
  const connection = place && (await connectionOf(services, place, title));
  if (connection === undefined) return;
  await vscode.env.clipboard.writeText(formatConnection(connection, 'uri'));
  vscode.window.setStatusBarMessage('$(check) Stable URL copied: the same on every branch', 3000);
}

export async function openBranchPsql(services: Services, folder?: FolderReference): Promise<void> {
  const title = 'Open psql on Current Branch';
  const place = await pickPlace(services, folder, title);
  if (place === undefined) return;
  const clone = services.session.model.clones.get(place.checkout.clone ?? '');
  const connection = await connectionOf(services, place, title);
  if (connection === undefined) return;
  await openPsqlOn(services, {
    connection,
    name: `psql ${connection.database} (current branch)`,
    // Its stable address leads elsewhere with the next branch.
    prompt: 'current branch',
    versions: clone?.members.map(({ version }) => version) ?? [],
  });
}

async function connectionOf(
  services: Services,
  { checkout }: Place,
  title: string,
): Promise<Connection | undefined> {
  const client = await services.client();
  const { items } = await client.call('checkoutConnection', { params: { checkout: checkout.id } });
  if (items.length <= 1) return items[0];
  return await pickValue(
    items.map((value) => ({ label: value.name, description: `${value.engine}, port ${value.port}`, value })),
    { title, placeHolder: 'Which member?' },
  );
}
