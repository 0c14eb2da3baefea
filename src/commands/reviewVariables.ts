/** Shows the variables of a repository's file that are no plain connection, one after another, and asks whether they are set. */
import * as vscode from 'vscode';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { shownValue } from '../../engine/protocol/variableConsent.ts';
import { pickPlace } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import type { FolderReference } from './commandIds.ts';

const set = 'Set It';
const never = 'Never Set It';

export async function reviewVariables(services: Services, folder?: FolderReference): Promise<void> {
  const place = await pickPlace(services, folder, 'Review Variables');
  if (place === undefined) return;
  if (place.checkout.heldVariables.length === 0) {
    void vscode.window.showInformationMessage('No variable of this workspace waits for your word.');
    return;
  }
  await reviewHeld(services, place.checkout.id);
}

/** Those that were never answered; when there are none, those that were refused. */
export async function reviewHeld(services: Services, id: Checkout['id']): Promise<void> {
  const checkout = services.session.model.checkouts.get(id);
  const held = checkout?.heldVariables ?? [];
  const asking = held.filter(({ state }) => state === 'asking');
  for (const { name, value } of asking.length > 0 ? asking : held) {
    const detail = [
      `thin-clones.yaml of ${checkout?.path ?? ''} sets it to`,
      shownValue(value),
      'Terminals, tasks, debug sessions and "thin-clones exec" would start programs with it. A variable can make a program load or run something else, so agree only when you know what this one is for. Your answer holds in all working trees of this repository, for this value.',
    ].join('\n\n');
    const chosen = await vscode.window.showWarningMessage(
      `Set the variable ${name}?`,
      { modal: true, detail },
      set,
      never,
    );
    if (chosen === undefined) return;
    const client = await services.client();
    const answer = chosen === set ? 'allow' : 'refuse';
    await client.call('checkoutVariable', { params: { checkout: id }, body: { name, value, answer } });
  }
}
