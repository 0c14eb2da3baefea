/** Writes an extension that stands for another one: whatever it is handed, it tells in a message. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface ReceivingExtension {
  readonly publisher: string;
  readonly name: string;
  /** That others may run. */
  readonly command?: string;
}

const main = `const vscode = require('vscode');
const { name, contributes } = require('./package.json');
exports.activate = ({ subscriptions }) => {
  const tell = (...given) => void vscode.window.showInformationMessage([name, 'was given', ...given].join(' '));
  subscriptions.push(vscode.window.registerUriHandler({ handleUri: ({ path, query }) => tell(path, query) }));
  for (const { command } of contributes.commands)
    subscriptions.push(vscode.commands.registerCommand(command, (...given) => tell(command, JSON.stringify(given))));
};
`;

/** Answers its folder, in `parent`. */
export async function writeReceivingExtension(
  parent: string,
  { publisher, name, command }: ReceivingExtension,
): Promise<string> {
  const folder = join(parent, name);
  await mkdir(folder, { recursive: true });
  const description = {
    ...{ publisher, name, version: '1.0.0', engines: { vscode: '^1.90.0' }, main: './main.js' },
    activationEvents: ['onUri'],
    contributes: { commands: command === undefined ? [] : [{ command, title: command }] },
  };
  await writeFile(join(folder, 'package.json'), JSON.stringify(description));
  await writeFile(join(folder, 'main.js'), main);
  return folder;
}
