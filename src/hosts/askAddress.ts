/** Asks which machine becomes a host: one of the ssh configuration, or an address that is typed. */
import * as vscode from 'vscode';
import { acceptedValue, type PickItem } from '../dialogs/pick.ts';
import { readAddress, type AddressChoice } from './addresses.ts';

export type ChosenAddress = Pick<AddressChoice, 'address' | 'host'>;
type Item = PickItem<ChosenAddress | undefined> | (vscode.QuickPickItem & { kind: vscode.QuickPickItemKind });

const separator: Item = {
  label: 'In your ssh configuration',
  kind: vscode.QuickPickItemKind.Separator,
};

const configured = (choice: AddressChoice): Item => ({
  label: choice.label,
  description: choice.description,
  iconPath: new vscode.ThemeIcon('remote'),
  value: choice,
});

function typed(text: string): Item {
  const read = readAddress(text);
  return read.ok
    ? {
        label: read.address,
        description: 'use this address',
        iconPath: new vscode.ThemeIcon('plug'),
        alwaysShow: true,
        value: read,
      }
    : {
        label: read.problem,
        detail: read.next,
        iconPath: new vscode.ThemeIcon('error'),
        alwaysShow: true,
        value: undefined,
      };
}

/** Undefined when it was left. */
export async function askAddress(
  title: string,
  choices: readonly AddressChoice[],
  value = '',
): Promise<ChosenAddress | undefined> {
  const pick = vscode.window.createQuickPick<Item>();
  const usual = choices.length === 0 ? [] : [separator, ...choices.map(configured)];
  pick.title = title;
  pick.placeholder =
    choices.length === 0
      ? 'Type ssh://user@host:port'
      : 'Type ssh://user@host:port, or choose a name of your ssh configuration';
  pick.matchOnDescription = true;
  pick.ignoreFocusOut = true;
  const propose = (text: string): void => {
    pick.items = text.trim() === '' ? usual : [...usual, typed(text)];
  };
  pick.value = value;
  propose(value);
  pick.onDidChangeValue(propose);
  return await acceptedValue(pick);
}
