/** Registers every command, and shows what went wrong with any of them in the same way. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import type { DetailedRow } from '../webviews/detailsPages.ts';
import { isKeyPress, readArguments } from './commandArguments.ts';
import { commandIds, type CommandId } from './commandIds.ts';
import type { Command } from './commandTable.ts';

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- one id, so that command and arguments fit
async function runGiven<Id extends CommandId>(
  services: Services,
  id: Id,
  given: readonly unknown[],
): Promise<void> {
  const { commandTable } = await import('./commandTable.ts');
  const command: Command<Id> = await commandTable[id]();
  await command(services, ...readArguments(id, given));
}

function register(services: Services, id: CommandId): vscode.Disposable {
  const run = async (...given: readonly unknown[]): Promise<void> => {
    try {
      if (isKeyPress(given[0])) {
        const { runByKey } = await import('./keys.ts');
        await runByKey(services, id);
      } else {
        await runGiven(services, id, given);
      }
    } catch (error) {
      const { showFailure } = await import('../dialogs/failures.ts');
      // Not awaited: the command has ended, its message stays until somebody answers it.
      void showFailure(services, error, () => run(...given));
    }
  };
  return vscode.commands.registerCommand(id, run);
}

export const registerCommands = (services: Services): vscode.Disposable =>
  vscode.Disposable.from(...commandIds.map((id) => register(services, id)));

/** What fills it is read with the commands, which open such pages. */
export async function restoreDetailsPage(
  services: Services,
  row: DetailedRow,
  panel: vscode.WebviewPanel,
): Promise<void> {
  const { restoreDetails } = await import('./commandTable.ts');
  await restoreDetails(services, row, panel);
}
