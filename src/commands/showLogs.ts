/** Opens the log of the engine and that of the extension. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';

export async function showEngineLog(services: Services): Promise<void> {
  try {
    const document = await vscode.workspace.openTextDocument(vscode.Uri.file(services.paths.log));
    const editor = await vscode.window.showTextDocument(document, { preview: true });
    const end = document.lineAt(document.lineCount - 1).range.end;
    editor.revealRange(new vscode.Range(end, end));
  } catch (error) {
    services.log.info('The engine log can not be opened', error);
    const show = 'Show Extension Log';
    const chosen = await vscode.window.showInformationMessage(
      `There is no engine log yet (${services.paths.log}).`,
      show,
    );
    if (chosen === show) services.log.show();
  }
}

export async function showExtensionLog(services: Services): Promise<void> {
  services.log.show();
}
