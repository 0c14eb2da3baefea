/** Asks on which host something new is to live, where there is a choice. */
import * as vscode from 'vscode';
import type { Host } from '../../engine/protocol/entities.ts';
import { pickValue } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { sizeOf } from '../views/amounts.ts';
import { hostOrder, roundTripText } from '../views/hostRows.ts';
import { plain } from '../views/markdown.ts';
import { keyOfRow, type RowReference } from '../views/rowId.ts';

/** The host of the row, else the only one that can be asked, else the chosen one; undefined when the question was left. */
export async function askHost(
  services: Services,
  row: RowReference | undefined,
  { title, placeHolder }: { readonly title: string; readonly placeHolder: string },
): Promise<Host | undefined> {
  const hosts = [...services.session.model.hosts.values()].sort(hostOrder);
  const named = hosts.find(({ name }) => name === keyOfRow(row, 'host'));
  const usable = hosts.filter(({ kind, state }) => kind === 'local' || state === 'ready');
  if (named !== undefined || usable.length <= 1) return named ?? usable[0];
  return await pickValue(
    usable.map((value) => ({
      label: value.name,
      description: descriptionOf(value),
      iconPath: new vscode.ThemeIcon(value.kind === 'local' ? 'server' : 'remote'),
      value,
    })),
    { title, placeHolder },
  );
}

const descriptionOf = ({ kind, storage, roundTripMs, address }: Host): string =>
  [
    kind === 'local' ? 'this machine' : (address ?? ''),
    storage === null ? '' : `${plain(storage.label)}, ${sizeOf(storage.freeBytes)} free`,
    roundTripMs === null ? '' : roundTripText(roundTripMs),
  ]
    .filter((part) => part !== '')
    .join(' · ');
