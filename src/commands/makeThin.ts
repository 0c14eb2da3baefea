/** Makes clones thin for an ordinary user: in a terminal the command line shows a script, asks, and lets root run it. */
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { Services } from '../services.ts';

export async function makeThin(services: Services): Promise<void> {
  // A failure to start it is told as everywhere, and not in the terminal.
  await services.client();
  const terminal = vscode.window.createTerminal({
    name: 'Make Clones Thin',
    shellPath: process.execPath,
    shellArgs: [join(services.context.extensionPath, 'dist', 'thin-clones.mjs'), 'storage', 'setup'],
    env: { ELECTRON_RUN_AS_NODE: '1', THIN_CLONES_HOME: services.paths.home },
    iconPath: new vscode.ThemeIcon('layers'),
    isTransient: true,
  });
  const subscription = vscode.window.onDidCloseTerminal((closed) => {
    if (closed !== terminal) return;
    subscription.dispose();
    // Of any other end the terminal's own words tell, which stay.
    if (closed.exitStatus?.code === 0) void tellThin(services);
  });
  services.context.subscriptions.push(subscription);
  terminal.show();
}

/** The terminal is gone with what it said. */
async function tellThin(services: Services): Promise<void> {
  const client = await services.client();
  const { isUsed, state, elsewhere } = await client.call('storageShow', { query: {} });
  if (state === 'thin') void vscode.window.showInformationMessage('Clones are thin here already.');
  else if (!isUsed)
    void vscode.window.showInformationMessage(
      'Clones become thin with the next start of the engine, which works on something now.',
    );
  else
    void vscode.window.showInformationMessage(
      elsewhere.length === 0
        ? 'Clones are thin now.'
        : `New clones are thin now. Still full copies: ${elsewhere.map(({ kind, name }) => `${kind} ${name}`).join(', ')}.`,
    );
}
