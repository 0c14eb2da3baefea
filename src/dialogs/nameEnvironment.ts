/** Asks for the name of a new environment and, in the same step, whether its first snapshot is taken now. */
import * as vscode from 'vscode';
import { environmentNameSchema, type EnvironmentName } from '../../engine/protocol/ids.ts';
import { nameIn, nameMessage } from './askName.ts';

export interface NamedEnvironment {
  readonly name: EnvironmentName;
  readonly takesSnapshot: boolean;
}

/** Enter takes the snapshot, a button of the box does not; undefined when the box was left. */
export function nameEnvironment(question: {
  readonly title: string;
  readonly prompt: string;
  readonly value: string;
  readonly taken: readonly string[];
}): Promise<NamedEnvironment | undefined> {
  const box = vscode.window.createInputBox();
  const saveOnly: vscode.QuickInputButton = {
    iconPath: new vscode.ThemeIcon('save'),
    tooltip: 'Save Only, Take No Snapshot Now',
  };
  box.title = question.title;
  box.prompt = `${question.prompt} Enter saves it and takes the first snapshot.`;
  box.value = question.value;
  box.buttons = [saveOnly];
  box.ignoreFocusOut = true;
  const validate = (): void => {
    const asked = { taken: question.taken, kind: 'environment' };
    box.validationMessage = nameMessage(environmentNameSchema, box.value, asked);
  };
  validate();
  return new Promise((resolve) => {
    const accept = (takesSnapshot: boolean): void => {
      validate();
      // A note of how it will be called is no refusal.
      if (typeof box.validationMessage === 'string') return;
      const name = environmentNameSchema.parse(nameIn(environmentNameSchema, box.value));
      resolve({ name, takesSnapshot });
      box.hide();
    };
    box.onDidChangeValue(validate);
    box.onDidAccept(() => accept(true));
    box.onDidTriggerButton(() => accept(false));
    box.onDidHide(() => {
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}
