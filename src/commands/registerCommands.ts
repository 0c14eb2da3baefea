/** Registers every command, and shows what went wrong with any of them in the same way. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { commandIds } from './commandIds.ts';
import { commandTable } from './commandTable.ts';

export function registerCommands(services: Services): vscode.Disposable {
  return vscode.Disposable.from(
    ...commandIds.map((id) => {
      const run = async (argument: unknown, selected: unknown): Promise<void> => {
        try {
          const command = await commandTable[id]();
          await command(services, argument, selected);
        } catch (error) {
          const { showFailure } = await import('../dialogs/failures.ts');
          // Not awaited: the command has ended, its message stays until somebody answers it.
          void showFailure(services, error, () => run(argument, selected));
        }
      };
      return vscode.commands.registerCommand(id, run);
    }),
  );
}
