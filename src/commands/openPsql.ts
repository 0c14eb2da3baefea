/** Opens psql on a clone in a terminal. */
import { wordsOf } from '../../engine/protocol/engineWords.ts';
import * as vscode from 'vscode';
import type { Connection } from '../../engine/protocol/entities.ts';
import { engineSettings, programFolders } from '../engine/settings.ts';
import { findProgram } from '../engine/findProgram.ts';
import { pickClone } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { connectionOf } from './copyConnection.ts';
import { openMongosh } from './openMongosh.ts';
import { psqlArguments, psqlEnvironment } from './psqlEnvironment.ts';
import type { RowOf } from '../views/rowId.ts';

export async function openPsql(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Open psql',
    placeHolder: 'On which clone?',
    accept: ({ state }) => state === 'ready',
  });
  if (clone === undefined) return;
  const connection = await connectionOf(services, clone, 'Open psql');
  if (connection === undefined) return;
  await openPsqlOn(services, {
    connection,
    name: `psql ${clone.name}`,
    prompt: clone.name,
    versions: clone.members.map(({ version }) => version),
  });
}

export interface PsqlTarget {
  readonly connection: Connection;
  /** Of the terminal. */
  readonly name: string;
  /** Whose database it is, at the beginning of each line. */
  readonly prompt: string;
  /** Of the servers, as far as they are known: a client of an older version works only in part. */
  readonly versions: readonly string[];
}

export async function openPsqlOn(
  services: Services,
  { connection, name, prompt, versions }: PsqlTarget,
): Promise<void> {
  if (connection.engine === 'mongodb') {
    await openMongosh(connection, prompt);
    return;
  }
  const psql = await findProgram('psql', {
    setting: engineSettings().clientDirectory,
    searchPath: process.env.PATH ?? '',
    bundled: programFolders(services.context),
    platform: process.platform,
    serverMajor: Math.max(...versions.map((version) => Number.parseInt(version, 10) || 0), 0),
  });
  if (psql === undefined) {
    await tellMissing();
    return;
  }
  const terminal = vscode.window.createTerminal({
    name,
    shellPath: psql,
    shellArgs: psqlArguments(prompt),
    env: psqlEnvironment(process.env, connection),
    strictEnv: true,
    iconPath: new vscode.ThemeIcon('database'),
    // Kept terminals would store the environment with the window.
    isTransient: true,
  });
  terminal.show();
}

async function tellMissing(): Promise<void> {
  const settings = 'Open Settings';
  const { terminalProgram, installTerminalProgram } = wordsOf();
  const chosen = await vscode.window.showErrorMessage(
    `${terminalProgram} was not found on this machine. Install ${installTerminalProgram(process.platform)}, or name the folder that has it in the settings.`,
    settings,
  );
  if (chosen === settings) {
    await vscode.commands.executeCommand(
      'workbench.action.openSettings',
      'thinClones.programs.clientDirectory',
    );
  }
}
