/** Answers the question whether a branch gets a database of its own, once or for more than this time. */
import * as vscode from 'vscode';
import type { RouteInput } from '../../engine/protocol/client.ts';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { branchPatternSchema } from '../../engine/protocol/workspace.ts';
import { pickValue, type PickItem } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { patternFor } from './checkoutText.ts';
import { changeFollowSetting } from './followSetting.ts';

export type Answer = Omit<RouteInput<'checkoutAnswer'>['body'], 'branch'>;

/** Does nothing but say so when the branch of the question has been left meanwhile. */
export async function sendAnswer(
  services: Services,
  checkout: Checkout,
  branch: string,
  answer: Answer,
): Promise<void> {
  const client = await services.client();
  if (answer.remember === 'workspace') {
    const place = services.checkouts.follower.places().find((each) => each.checkout.id === checkout.id);
    const follow = answer.answer === 'create' ? 'automatic' : 'off';
    if (place !== undefined) await changeFollowSetting(place.folder, follow);
  }
  try {
    await client.call('checkoutAnswer', { params: { checkout: checkout.id }, body: { branch, ...answer } });
  } catch (error) {
    if (!isFailure(error, 'question_changed')) throw error;
    vscode.window.setStatusBarMessage(`$(info) ${branch} no longer waits for an answer`, 5000);
  }
}

type Choice = Pick<Answer, 'answer' | 'remember'>;

/** Asks what to remember; undefined when it was left. */
export async function askWhatToRemember(branch: string): Promise<Answer | undefined> {
  const pattern = patternFor(branch);
  const item = (icon: string, label: string, description: string, value: Choice): PickItem<Choice> => ({
    label: `$(${icon}) ${label}`,
    description,
    value,
  });
  const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator }) as const;
  const chosen = await pickValue<Choice>(
    [
      separator('Make databases without asking'),
      item('git-branch', `For ${branch}`, 'whenever it has none', { answer: 'create', remember: 'branch' }),
      item('filter', `For branches like ${pattern}…`, 'the pattern can be changed', {
        answer: 'create',
        remember: 'pattern',
      }),
      item('root-folder', 'Always in this workspace', 'every branch gets its own', {
        answer: 'create',
        remember: 'workspace',
      }),
      separator('Make none, and do not ask again'),
      item('git-branch', `Never for ${branch}`, '', { answer: 'none', remember: 'branch' }),
      item('filter', `Never for branches like ${pattern}…`, 'the pattern can be changed', {
        answer: 'none',
        remember: 'pattern',
      }),
      item('root-folder', 'Never in this workspace', 'branches are not followed', {
        answer: 'none',
        remember: 'workspace',
      }),
    ],
    { title: `Database of ${branch}`, placeHolder: 'What should be remembered?' },
  );
  if (chosen?.remember !== 'pattern') return chosen;
  const written = await vscode.window.showInputBox({
    title: chosen.answer === 'create' ? 'Branches That Get a Database' : 'Branches Without a Database',
    prompt: 'In a pattern, * stands for anything but "/", and ** for anything.',
    value: pattern,
    validateInput: (text) => branchPatternSchema.safeParse(text).error?.issues[0]?.message,
  });
  return written === undefined ? undefined : { ...chosen, pattern: written };
}
