/** Answers the question of the current branch from the menu, when its notification is gone. */
import * as vscode from 'vscode';
import { askWhatToRemember, sendAnswer, type Answer } from '../checkouts/answer.ts';
import { startText } from '../checkouts/checkoutText.ts';
import { pickValue } from '../dialogs/pick.ts';
import { pickPlace } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import type { FolderReference } from './commandIds.ts';

export async function answerQuestion(services: Services, folder?: FolderReference): Promise<void> {
  const place = await pickPlace(services, folder, 'Database of the Current Branch');
  const question = place?.checkout.question;
  if (place === undefined) return;
  if (place.checkout.state !== 'asking' || question == null) {
    void vscode.window.showInformationMessage('No branch waits for an answer.');
    return;
  }
  const { branch, from } = question;
  const chosen = await pickValue<Answer | 'remember'>(
    [
      {
        label: '$(add) Create',
        description: `from ${startText(from)}`,
        value: { answer: 'create', remember: 'once' },
      },
      { label: '$(circle-slash) Not Now', value: { answer: 'none', remember: 'once' } },
      {
        label: '$(bookmark) Remember…',
        description: 'for the branch, a pattern, the workspace',
        value: 'remember',
      },
    ],
    { title: `Database of ${branch}`, placeHolder: `Branch ${branch} has no database of its own yet` },
  );
  const answer = chosen === 'remember' ? await askWhatToRemember(branch) : chosen;
  if (answer !== undefined) await sendAnswer(services, place.checkout, branch, answer);
}
