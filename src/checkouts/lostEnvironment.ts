/** Tells once that a folder lost its environment: it had the only one, and now there are several. */
import * as vscode from 'vscode';
import { runCommand } from '../commands/runCommand.ts';
import type { Services } from '../services.ts';
import { folderName } from './checkoutText.ts';

export const chooseEnvironmentButton = 'Choose Environment…';

export function tellOfLostEnvironments({ checkouts }: Services): vscode.Disposable {
  /** The environment that each folder had while somebody wanted a database for it, until its loss is told. */
  const had = new Map<string, string>();

  const tell = async (key: string, path: string, lost: string): Promise<void> => {
    const chosen = await vscode.window.showWarningMessage(
      `Branches of ${folderName(path)} have no database now: there are several environments, and nothing says whether it goes on with ${lost}.`,
      chooseEnvironmentButton,
    );
    if (chosen === chooseEnvironmentButton)
      await runCommand('thinClones.branch.chooseEnvironment', { folder: key });
  };

  const look = (): void => {
    for (const folder of checkouts.folders()) {
      const { key, path } = folder;
      const checkout = checkouts.follower.checkoutOf(folder);
      if (checkout?.environment != null && checkouts.isConcerned({ folder, checkout }))
        had.set(key, checkout.environment);
      const lost = had.get(key);
      if (lost === undefined || !checkouts.follower.lacksEnvironment(folder)) continue;
      had.delete(key);
      void tell(key, path, lost);
    }
  };
  look();
  return vscode.Disposable.from(checkouts.onDidChange(look));
}
