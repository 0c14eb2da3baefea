/** Asks for the name of a new environment and, in the same step, whether its first snapshot is taken now. */
import * as vscode from 'vscode';
import { environmentNameSchema, type EnvironmentName } from '../../engine/protocol/ids.ts';
import { nameProblem } from './askName.ts';

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
  const problem = (): string | undefined =>
    nameProblem(
      box.value,
      { taken: question.taken, kind: 'environment' },
      environmentNameSchema.safeParse(box.value).success,
    );
  const validate = (): void => {
    box.validationMessage = problem();
  };
  validate();
  return new Promise((resolve) => {
    const accept = (takesSnapshot: boolean): void => {
      validate();
      if (problem() !== undefined) return;
      resolve({ name: environmentNameSchema.parse(box.value), takesSnapshot });
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
