/** Asks whether a branch gets a database of its own, as a notification, one at a time, in the window that people look at. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { startText } from './checkoutText.ts';
import type { Place } from './folderFollower.ts';

export const createButton = 'Create';
export const notNowButton = 'Not Now';
export const rememberButton = 'Remember…';

export function askAboutBranches(services: Services): vscode.Disposable {
  const { checkouts } = services;
  /** The question that was put for each checkout, until it is settled: it is put once. */
  const put = new Map<string, string>();
  /** The checkout whose notification may still be on the screen. */
  let asking: string | undefined;

  const ask = async ({ checkout }: Place, branch: string, from: string): Promise<void> => {
    const text = `Branch ${branch} has no database of its own yet. Make one from ${startText(from)}?`;
    const chosen = await vscode.window.showInformationMessage(
      text,
      createButton,
      notNowButton,
      rememberButton,
    );
    if (asking === checkout.id && put.get(checkout.id) === branch) asking = undefined;
    if (chosen === undefined) return;
    const { sendAnswer, askWhatToRemember } = await import('./answer.ts');
    const answer =
      chosen === createButton
        ? ({ answer: 'create', remember: 'once' } as const)
        : chosen === notNowButton
          ? ({ answer: 'none', remember: 'once' } as const)
          : await askWhatToRemember(branch);
    if (answer !== undefined) await sendAnswer(services, checkout, branch, answer);
  };

  const look = (): void => {
    const places = checkouts.follower.places();
    for (const { checkout } of places) {
      const { question } = checkout;
      if (checkout.state === 'asking' && question?.branch === put.get(checkout.id)) continue;
      // Settled, here or elsewhere, or the branch was left: when it comes back, it is a new question.
      put.delete(checkout.id);
      if (asking === checkout.id) asking = undefined;
    }
    if (asking !== undefined || !vscode.window.state.focused) return;
    const next = places.find(
      (place) =>
        place.checkout.state === 'asking' && !put.has(place.checkout.id) && checkouts.isConcerned(place),
    );
    const question = next?.checkout.question;
    if (next === undefined || question == null) return;
    put.set(next.checkout.id, question.branch);
    asking = next.checkout.id;
    ask(next, question.branch, question.from)
      .catch(async (error: unknown) => {
        const { showFailure } = await import('../dialogs/failures.ts');
        await showFailure(services, error, undefined);
      })
      .finally(look);
  };
  look();
  return vscode.Disposable.from(checkouts.onDidChange(look), vscode.window.onDidChangeWindowState(look));
}
