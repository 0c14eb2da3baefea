/** Copies how to connect to a clone: as a URL, or in the format that a program takes. */
import * as vscode from 'vscode';
import {
  formatsOf,
  connectionFormatTitles,
  formatConnection,
  type ConnectionFormat,
} from '../../engine/protocol/connectionString.ts';
import type { Clone, Connection } from '../../engine/protocol/entities.ts';
import { toFailure } from '../../engine/protocol/errors.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { pickClone, pickValue } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';

export async function copyUrl(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Copy Connection URL',
    placeHolder: 'Of which clone?',
  });
  const connection = clone && (await connectionOf(services, clone, 'Copy Connection URL'));
  if (connection !== undefined) await copy(connection, 'uri');
}

export async function copyConnection(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const title = 'Copy Connection As';
  const clone = await pickClone(services, row, { title, placeHolder: 'Of which clone?' });
  const connection = clone && (await connectionOf(services, clone, title));
  if (connection === undefined) return;
  // The preview is read over shoulders and in screen shares: without the password.
  const preview = { ...connection, password: '…' };
  const format = await pickValue(
    formatsOf[connection.engine].map((value) => ({
      label: connectionFormatTitles[value],
      detail: previewOf(preview, value),
      value,
    })),
    { title, placeHolder: 'In which format?' },
  );
  if (format !== undefined) await copy(connection, format);
}

/** What can't be written in a format is told here, too: the other formats stay. */
function previewOf(connection: Connection, format: ConnectionFormat): string {
  try {
    const text = formatConnection(connection, format);
    return text.replaceAll('%E2%80%A6', '…').split('\n').slice(0, 3).join('  ');
  } catch (error) {
    return toFailure(error).message;
  }
}

async function copy(connection: Connection, format: ConnectionFormat): Promise<void> {
  await vscode.env.clipboard.writeText(formatConnection(connection, format));
  vscode.window.setStatusBarMessage(`$(check) ${connectionFormatTitles[format]} copied`, 3000);
}

/** The login of the clone's member; asks which one if there are several. */
export async function connectionOf(
  services: Services,
  clone: Clone,
  title: string,
): Promise<Connection | undefined> {
  const client = await services.client();
  const { items } = await client.call('cloneConnection', {
    params: { clone: referenceSchema.parse(clone.id) },
  });
  if (items.length <= 1) return items[0];
  return await pickValue(
    items.map((value) => ({ label: value.name, description: `${value.engine}, port ${value.port}`, value })),
    { title, placeHolder: 'Which member?' },
  );
}
