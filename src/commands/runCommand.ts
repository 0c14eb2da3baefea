/** Runs commands of ours by name: a wrong argument does not compile. Nothing else hands their names to VS Code. */
import * as vscode from 'vscode';
import type { CommandArguments, CommandId } from './commandIds.ts';

/** Resolves when the command has ended; its failures are shown, not thrown. */
export const runCommand = async <Id extends CommandId>(
  id: Id,
  ...subject: CommandArguments<Id>
): Promise<void> => {
  await vscode.commands.executeCommand(id, ...subject);
};

/** For what VS Code runs later: a quick fix, a lens. */
export const commandFor = <Id extends CommandId>(
  title: string,
  id: Id,
  ...subject: CommandArguments<Id>
): vscode.Command => ({ title, command: id, arguments: [...subject] });
