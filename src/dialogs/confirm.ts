/** Asks before data is lost, unless a setting says not to. */
import * as vscode from 'vscode';

export type Confirmation = 'reset' | 'destroy' | 'deleteSnapshot' | 'deleteEnvironment';

/** `extras`: other ways to do it, or to look first, in the order of the buttons. */
export interface Question<Extra extends string> {
  readonly about: Confirmation;
  readonly message: string;
  readonly detail: string;
  /** The button that does it, e.g. "Reset". */
  readonly action: string;
  readonly extras?: readonly Extra[];
}

/** Answers the chosen button, or undefined when it was canceled. With the setting off, nothing is asked. */
export async function confirmLoss<Extra extends string = never>({
  about,
  message,
  detail,
  action,
  extras = [],
}: Question<Extra>): Promise<'yes' | Extra | undefined> {
  const settings = vscode.workspace.getConfiguration('thinClones.confirm');
  if (!settings.get<boolean>(about, true)) return 'yes';
  const never = `${action}, Don't Ask Again`;
  const buttons = [action, ...extras, never];
  const chosen = await vscode.window.showWarningMessage(message, { modal: true, detail }, ...buttons);
  if (chosen === undefined) return undefined;
  if (chosen === never) await settings.update(about, false, vscode.ConfigurationTarget.Global);
  return extras.find((extra) => extra === chosen) ?? 'yes';
}
