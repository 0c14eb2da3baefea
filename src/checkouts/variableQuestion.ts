/** Says that a repository's file sets variables that are no plain connection, once for each of them, and offers to look at them. */
import * as vscode from 'vscode';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { countOf } from '../views/amounts.ts';
import type { Services } from '../services.ts';

export const reviewButton = 'Review…';

const askedOf = ({ heldVariables }: Checkout): { name: string; value: string }[] =>
  heldVariables.filter(({ state }) => state === 'asking').map(({ name, value }) => ({ name, value }));

export function askAboutVariables(services: Services): vscode.Disposable {
  const { checkouts } = services;
  /** What was told of each repository: its answers hold in all its working trees. */
  const told = new Set<string>();

  const tell = async (checkout: Checkout, count: number): Promise<void> => {
    const chosen = await vscode.window.showWarningMessage(
      `The thin-clones.yaml of ${checkout.path} sets ${countOf(count, 'variable')} that can do more than lead to a database. Without your word they are not set.`,
      reviewButton,
    );
    if (chosen !== reviewButton) return;
    const { reviewHeld } = await import('../commands/reviewVariables.ts');
    await reviewHeld(services, checkout.id);
  };

  const look = (): void => {
    if (!vscode.window.state.focused) return;
    for (const { checkout } of checkouts.follower.places()) {
      const fresh = askedOf(checkout)
        .map((asked) => JSON.stringify([checkout.repository, asked]))
        .filter((key) => !told.has(key));
      if (fresh.length === 0) continue;
      for (const key of fresh) told.add(key);
      tell(checkout, fresh.length).catch(async (error: unknown) => {
        const { showFailure } = await import('../dialogs/failures.ts');
        await showFailure(services, error, undefined);
      });
    }
  };
  look();
  return vscode.Disposable.from(checkouts.onDidChange(look), vscode.window.onDidChangeWindowState(look));
}
