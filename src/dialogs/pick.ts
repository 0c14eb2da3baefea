/** Finds the object that a command is about: the row it was run on, else the only one there is, else a question. */
import * as vscode from 'vscode';
import type { Clone, Environment, Host, Snapshot } from '../../engine/protocol/entities.ts';
import { fail } from '../../engine/protocol/errors.ts';
import { runCommand } from '../commands/runCommand.ts';
import type { Services } from '../services.ts';
import { ageOf, countOf } from '../views/amounts.ts';
import { hostOrder, problemOf } from '../views/hostRows.ts';
import { plain } from '../views/markdown.ts';
import { keyOfRow, type RowReference } from '../views/rowId.ts';
import { cloneSizeText, isOutOfReach } from '../views/treeRows.ts';

export interface PickItem<T> extends vscode.QuickPickItem {
  readonly value: T;
}

/** A quick pick of values; undefined when it was left. */
export async function pickValue<T>(
  items: readonly (PickItem<T> | (vscode.QuickPickItem & { kind: vscode.QuickPickItemKind.Separator }))[],
  options: { title: string; placeHolder: string },
): Promise<T | undefined> {
  const chosen = await vscode.window.showQuickPick(items, {
    ...options,
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return chosen !== undefined && 'value' in chosen ? chosen.value : undefined;
}

/** Shows a quick pick until an item with a value is accepted; undefined when it was left. */
export async function acceptedValue<T>(
  pick: vscode.QuickPick<vscode.QuickPickItem | PickItem<T | undefined>>,
): Promise<T | undefined> {
  return await new Promise((resolve) => {
    pick.onDidAccept(() => {
      const [chosen] = pick.selectedItems;
      if (chosen === undefined || !('value' in chosen) || chosen.value === undefined) return;
      resolve(chosen.value);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

/** Nothing to choose from: says so, and offers the command that makes the first one. */
async function tellNothing(
  text: string,
  action?: {
    title: string;
    command: 'thinClones.environment.add' | 'thinClones.clone.create' | 'thinClones.host.add';
  },
): Promise<void> {
  const chosen = await vscode.window.showInformationMessage(
    text,
    ...(action === undefined ? [] : [action.title]),
  );
  if (action !== undefined && chosen === action.title) await runCommand(action.command);
}

export interface PickOptions<T> {
  readonly title: string;
  readonly placeHolder: string;
  readonly accept?: (item: T) => boolean;
}

export async function pickEnvironment(
  services: Services,
  row: RowReference | undefined,
  { title, placeHolder, accept = () => true }: PickOptions<Environment>,
): Promise<Environment | undefined> {
  await services.client();
  const { environments, clones, snapshots } = services.session.model;
  const key = keyOfRow(row, 'environment', 'clones', 'snapshots');
  const note = keyOfRow(row, 'note');
  const named = environments.get(key ?? note?.slice(note.indexOf('/') + 1) ?? '');
  if (named !== undefined) return named;
  const items = [...environments.values()].filter(accept).sort((a, b) => a.name.localeCompare(b.name));
  if (items.length === 0) {
    await tellNothing('There is no environment for this yet.', {
      title: 'Add Environment',
      command: 'thinClones.environment.add',
    });
    return undefined;
  }
  if (items.length === 1) return items[0];
  return await pickValue(
    items.map((value) => {
      const latest = snapshots.get(value.latestSnapshot ?? '');
      const count = [...clones.values()].filter(({ environment }) => environment === value.name).length;
      return {
        label: value.name,
        description: `${isOutOfReach(services.session.model, value.name) ? 'out of reach, ' : ''}${countOf(count, 'clone')}, ${latest === undefined ? 'no snapshot yet' : `data of ${ageOf(latest.dataStateAt ?? latest.createdAt, Date.now())}`}`,
        iconPath: new vscode.ThemeIcon('database'),
        value,
      };
    }),
    { title, placeHolder },
  );
}

/** Unlike an environment, a clone is asked for even when there is one only: the question shows which one is meant. */
export async function pickClone(
  services: Services,
  row: RowReference | undefined,
  { title, placeHolder, accept = () => true }: PickOptions<Clone>,
): Promise<Clone | undefined> {
  await services.client();
  const { clones } = services.session.model;
  const named = clones.get(keyOfRow(row, 'clone') ?? '');
  if (named !== undefined) return named;
  const items = [...clones.values()].filter(accept).sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  if (items.length === 0) {
    await tellNothing('There is no clone for this yet.', {
      title: 'Create Clone',
      command: 'thinClones.clone.create',
    });
    return undefined;
  }
  const selected = services.tree.selection().find(({ kind }) => kind === 'clone')?.key;
  items.sort((a, b) => Number(b.id === selected) - Number(a.id === selected));
  return await pickValue(
    items.map((value) => ({
      label: value.name,
      description: [
        value.environment,
        isOutOfReach(services.session.model, value.environment) ? 'out of reach' : value.state,
        ageOf(value.resetAt ?? value.createdAt, Date.now()),
        cloneSizeText(value),
      ]
        .filter((part) => part !== undefined)
        .join(' · '),
      value,
    })),
    { title, placeHolder },
  );
}

export async function pickSnapshot(
  services: Services,
  row: RowReference | undefined,
  { title, placeHolder, accept = () => true }: PickOptions<Snapshot>,
): Promise<Snapshot | undefined> {
  await services.client();
  const { snapshots, environments } = services.session.model;
  const named = snapshots.get(keyOfRow(row, 'snapshot') ?? '');
  if (named !== undefined) return named;
  const items = [...snapshots.values()].filter(accept).sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  if (items.length === 0) {
    await tellNothing('There is no snapshot for this.');
    return undefined;
  }
  return await pickValue(
    items.map((value) => ({
      label: value.name,
      description: [
        value.environment,
        environments.get(value.environment)?.latestSnapshot === value.id ? 'latest' : undefined,
        ageOf(value.dataStateAt ?? value.createdAt, Date.now()),
        value.clones.length === 0 ? undefined : countOf(value.clones.length, 'clone'),
      ]
        .filter((part) => part !== undefined)
        .join(' · '),
      ...(value.message !== null && { detail: value.message }),
      value,
    })),
    { title, placeHolder },
  );
}

export async function pickHost(
  services: Services,
  row: RowReference | undefined,
  title: string,
  {
    accept = () => true,
    none = 'There is no host.',
  }: { readonly accept?: (host: Host) => boolean; readonly none?: string } = {},
): Promise<Host | undefined> {
  await services.client();
  const hosts = [...services.session.model.hosts.values()].filter(accept).sort(hostOrder);
  const key = keyOfRow(row, 'host');
  const named = hosts.find(({ name }) => name === key);
  if (key !== undefined && named === undefined)
    throw fail('not_found', { kind: 'host', name: key, known: hosts.map(({ name }) => name) });
  if (named !== undefined) return named;
  if (hosts.length === 0) {
    await tellNothing(none, { title: 'Add Host', command: 'thinClones.host.add' });
    return undefined;
  }
  if (hosts.length === 1) return hosts[0];
  return await pickValue(
    hosts.map((value) => ({
      label: value.name,
      description: plain(problemOf(value) ?? value.storage?.label ?? ''),
      value,
    })),
    { title, placeHolder: 'Which host?' },
  );
}
