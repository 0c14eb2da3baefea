/** Gives a checkout other ports in place of those that another program took. */
import * as vscode from 'vscode';
import { pickPlace } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import type { FolderReference } from './commandIds.ts';

export async function otherPorts(services: Services, folder?: FolderReference): Promise<void> {
  const place = await pickPlace(services, folder, 'Get Other Stable Ports');
  if (place === undefined) return;
  if (place.checkout.endpoints.every(({ state }) => state === 'listening')) {
    void vscode.window.showInformationMessage('All stable ports of this workspace work; none was changed.');
    return;
  }
  const client = await services.client();
  const { endpoints } = await client.call('checkoutPorts', { params: { checkout: place.checkout.id } });
  const text = endpoints.map(({ member, port }) => `${member} at port ${port}`).join(', ');
  void vscode.window.showInformationMessage(
    `The stable ports are now: ${text}. Programs that run have to be started again.`,
  );
}
