/** Opens mongosh on a clone in a terminal. */
import * as vscode from 'vscode';
import { connectionUri } from '../../engine/protocol/connectionString.ts';
import { wordsOf } from '../../engine/protocol/engineWords.ts';
import type { Connection } from '../../engine/protocol/entities.ts';
import { findProgram } from '../engine/findProgram.ts';

/** mongosh takes a URL as an argument alone, which everybody on the machine can read: this one is in the environment of one process. */
const URL_VARIABLE = 'THIN_CLONES_URL';

/** Connects after the start, by what stands in the environment. */
export const mongoshArguments = [
  ...['--nodb', '--quiet', '--shell', '--eval'],
  `db = connect(process.env.${URL_VARIABLE})`,
];

export async function openMongosh(connection: Connection, clone: string): Promise<void> {
  const { terminalProgram, installTerminalProgram } = wordsOf('mongodb');
  const mongosh = await findProgram(terminalProgram, {
    ...{ setting: '', searchPath: process.env.PATH ?? '', bundled: '' },
    ...{ platform: process.platform, serverMajor: 0 },
  });
  if (mongosh === undefined) {
    await vscode.window.showErrorMessage(
      `${terminalProgram} was not found on this machine. Install ${installTerminalProgram(process.platform)}, or copy the connection URL for another program.`,
    );
    return;
  }
  const terminal = vscode.window.createTerminal({
    name: `${terminalProgram} ${clone}`,
    shellPath: mongosh,
    shellArgs: mongoshArguments,
    env: { [URL_VARIABLE]: connectionUri(connection) },
    iconPath: new vscode.ThemeIcon('database'),
    // Kept terminals would store the environment with the window.
    isTransient: true,
  });
  terminal.show();
}
