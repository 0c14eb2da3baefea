/** Lets the engine read its state again from the tags on the data. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { countOf } from '../views/amounts.ts';

export async function rebuildEngine(services: Services): Promise<void> {
  const client = await services.client();
  const rebuilt = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: 'Rebuilding the engine state' },
    () => client.call('engineRebuild', {}),
  );
  const kept = rebuilt.keptAs === null ? '' : ` The old state is kept as ${rebuilt.keptAs}.`;
  // Its result is not visible anywhere else, unlike that of other commands.
  void vscode.window.showInformationMessage(
    `Found ${countOf(rebuilt.snapshots, 'snapshot')} and ${countOf(rebuilt.clones, 'clone')}.${kept}`,
  );
  await services.session.reconnect();
}
