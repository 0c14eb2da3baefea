/** Opens the page of an environment, a snapshot or a clone: everything known about it, and what can be done with it. */
import type { WebviewPanel } from 'vscode';
import { pickClone, pickEnvironment, pickSnapshot } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';
import { treeNow } from '../views/treeProvider.ts';
import { fillDetailsPage } from '../webviews/detailsPage.ts';
import type { DetailedRow } from '../webviews/detailsPages.ts';
import type { CommandId, EnvironmentRow } from './commandIds.ts';
import { runCommand } from './runCommand.ts';

export async function showDetails(services: Services, row?: EnvironmentRow): Promise<void> {
  const environment = await pickEnvironment(services, row, {
    title: 'Show Environment',
    placeHolder: 'Which environment?',
  });
  if (environment !== undefined)
    show(services, { kind: 'environment', key: environment.name }, environment.name);
}

export async function showSnapshot(services: Services, row?: RowOf<'snapshot'>): Promise<void> {
  const snapshot = await pickSnapshot(services, row, {
    title: 'Show Snapshot',
    placeHolder: 'Which snapshot?',
  });
  if (snapshot !== undefined) show(services, { kind: 'snapshot', key: snapshot.id }, snapshot.name);
}

export async function showClone(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, { title: 'Show Clone', placeHolder: 'Which clone?' });
  if (clone !== undefined) show(services, { kind: 'clone', key: clone.id }, clone.name);
}

const show = (services: Services, row: DetailedRow, title: string): void =>
  services.detailsPages.open(row, title, (panel) => fillPage(services, row, panel));

/** A page's actions are commands that take its row. */
const runOnRow = runCommand as (id: CommandId, row: DetailedRow) => Promise<void>;

export const fillPage = (services: Services, row: DetailedRow, panel: WebviewPanel): void =>
  fillDetailsPage({
    ...{ services, row, panel, run: runOnRow },
    state: () => treeNow(services.session, services.checkouts),
  });
