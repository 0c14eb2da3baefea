/** Hands a clone's connection to another extension that works with databases, by the page where it adds connections. */
import * as vscode from 'vscode';
import { connectionUri } from '../../engine/protocol/connectionString.ts';
import type { Connection } from '../../engine/protocol/entities.ts';
import { pickClone, pickValue } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';
import { connectionOf } from './copyConnection.ts';

const title = 'Open in Database Extension';

interface Receiver {
  readonly id: string;
  readonly name: string;
  /** Opens its page for a new connection. A password is on no address and in no settings: both are stored and shown. */
  open(connection: Connection): Thenable<unknown>;
  /** What is on the clipboard for its page. */
  clipboard(connection: Connection): { readonly text: string; readonly what: string };
}

const urlOnClipboard = (connection: Connection) =>
  ({
    text: connectionUri(connection),
    what: 'Choose the connection string there, and paste the URL, which was copied',
  }) as const;

export const receivers: readonly Receiver[] = [
  {
    id: 'ms-ossdata.vscode-pgsql',
    name: 'PostgreSQL',
    // As Microsoft's own Azure Databases extension hands servers to it (openPostgresExtension in microsoft/vscode-cosmosdb).
    // Not by env.openExternal, with which a VS Code in the browser starts one on the desktop.
    open: (connection) => vscode.commands.executeCommand('vscode.open', pgsqlAddress(connection)),
    clipboard: ({ password }) => ({ text: password, what: 'Paste the password there, which was copied' }),
  },
  {
    id: 'mtxr.sqltools',
    name: 'SQLTools',
    // https://github.com/mtxr/vscode-sqltools, change log of 0.17.
    open: () => vscode.commands.executeCommand('sqltools.openAddConnectionScreen'),
    clipboard: urlOnClipboard,
  },
  {
    id: 'cweijan.vscode-postgresql-client2',
    name: 'Database Client',
    // It takes no connection from others (https://github.com/cweijan/vscode-database-client/issues/921): its own button's command.
    open: () => vscode.commands.executeCommand('mysql.connection.add'),
    clipboard: urlOnClipboard,
  },
];

const pgsqlAddress = ({ host, port, user, database }: Connection): vscode.Uri =>
  vscode.Uri.from({
    scheme: vscode.env.uriScheme,
    authority: 'ms-ossdata.vscode-pgsql',
    path: '/connect',
    query: new URLSearchParams({
      ...{ server: host, port: String(port), database, user, authenticationType: 'SqlLogin' },
    }).toString(),
  });

export async function openInExtension(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title,
    placeHolder: 'Which clone?',
    accept: ({ state }) => state === 'ready',
  });
  if (clone === undefined) return;
  const receiver = await pickReceiver();
  const connection = receiver && (await connectionOf(services, clone, title));
  if (receiver === undefined || connection === undefined) return;
  await vscode.extensions.getExtension(receiver.id)?.activate();
  const { text, what } = receiver.clipboard(connection);
  await vscode.env.clipboard.writeText(text);
  await receiver.open(connection);
  void vscode.window.showInformationMessage(
    `${receiver.name} asks for the connection to ${clone.name}. ${what}.`,
  );
}

/** The only one that is installed, or the chosen one; where none is, an offer to find them. */
async function pickReceiver(): Promise<Receiver | undefined> {
  const installed = receivers.filter(({ id }) => vscode.extensions.getExtension(id) !== undefined);
  if (installed.length > 0)
    return installed.length === 1
      ? installed[0]
      : await pickValue(
          installed.map((value) => ({ label: value.name, description: value.id, value })),
          { title, placeHolder: 'In which extension?' },
        );
  const find = 'Find One';
  const names = receivers.map(({ name }) => name);
  const chosen = await vscode.window.showInformationMessage(
    `None of the database extensions that connections can be handed to is installed: ${names.join(', ')}.`,
    find,
  );
  const wanted = receivers.map(({ id }) => `@id:${id}`).join(' ');
  if (chosen === find) await vscode.commands.executeCommand('workbench.extensions.search', wanted);
  return undefined;
}
