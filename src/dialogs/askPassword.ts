/** Asks for a password; what is typed is not shown. */
import * as vscode from 'vscode';

/** The password, or undefined when the box was left. */
export async function askPassword(question: { title: string; prompt: string }): Promise<string | undefined> {
  return await vscode.window.showInputBox({
    title: question.title,
    prompt: `${question.prompt} (kept in VS Code's secret storage)`,
    password: true,
    ignoreFocusOut: true,
    validateInput: (text) => (text === '' ? 'Type the password, or press Escape.' : undefined),
  });
}
