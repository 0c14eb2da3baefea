/** Asks before data is lost, unless a setting says not to. */
import * as vscode from 'vscode';

export type Confirmation = 'reset' | 'destroy' | 'deleteSnapshot' | 'deleteEnvironment';

export interface Question<Extra extends string> {
  readonly about: Confirmation;
  readonly message: string;
  readonly detail: string;
  /** The button that does it, e.g. "Reset". */
  readonly action: string;
  /** Another way to do it. */
  readonly extra?: Extra;
}

/** Answers the chosen button, or undefined when it was canceled. With the setting off, nothing is asked. */
export async function confirmLoss<Extra extends string = never>({
  about,
  message,
  detail,
  action,
  extra,
}: Question<Extra>): Promise<'yes' | Extra | undefined> {
  const settings = vscode.workspace.getConfiguration('thinClones.confirm');
  if (!settings.get<boolean>(about, true)) return 'yes';
  const never = `${action}, Don't Ask Again`;
  const buttons = [action, ...(extra === undefined ? [] : [extra]), never];
  const chosen = await vscode.window.showWarningMessage(message, { modal: true, detail }, ...buttons);
  if (chosen === undefined) return undefined;
  if (chosen === never) await settings.update(about, false, vscode.ConfigurationTarget.Global);
  return extra !== undefined && chosen === extra ? extra : 'yes';
}
