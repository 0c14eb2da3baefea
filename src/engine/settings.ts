/** Reads the settings that the engine and the search for programs need. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { bundledProgramsFolder, type EngineSettings } from './locate.ts';

export function engineSettings(): EngineSettings {
  const settings = vscode.workspace.getConfiguration('thinClones');
  return {
    serverDirectory: settings.get<string>('programs.serverDirectory', ''),
    clientDirectory: settings.get<string>('programs.clientDirectory', ''),
    storageDriver: settings.get<string>('storage.driver', 'auto'),
    storagePath: settings.get<string>('storage.path', ''),
  };
}

/** Where programs that travel with the extension are; in a checkout, where `npm run programs` puts them. */
export function programFolders(context: vscode.ExtensionContext): string {
  const packaged = bundledProgramsFolder(context.extensionPath);
  const fetched = join(context.extensionPath, '.cache', 'programs', `${process.platform}-${process.arch}`);
  return !existsSync(packaged) && existsSync(fetched) ? fetched : packaged;
}
