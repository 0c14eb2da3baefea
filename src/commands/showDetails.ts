/** Shows everything known about an environment, a snapshot or a clone on a page. */
import { openPage } from '../documents.ts';
import { pickClone, pickEnvironment, pickSnapshot } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import type { RowReference } from '../views/rowId.ts';
import { describeRow } from '../views/tooltips.ts';
import { treeState } from '../views/treeRows.ts';
import type { EnvironmentRow } from './commandIds.ts';
import type { RowOf } from '../views/rowId.ts';

export async function showDetails(services: Services, row?: EnvironmentRow): Promise<void> {
  const environment = await pickEnvironment(services, row, {
    title: 'Show Environment',
    placeHolder: 'Which environment?',
  });
  if (environment !== undefined)
    await show(services, { kind: 'environment', key: environment.name }, environment.name);
}

export async function showSnapshot(services: Services, row?: RowOf<'snapshot'>): Promise<void> {
  const snapshot = await pickSnapshot(services, row, {
    title: 'Show Snapshot',
    placeHolder: 'Which snapshot?',
  });
  if (snapshot !== undefined) await show(services, { kind: 'snapshot', key: snapshot.id }, snapshot.name);
}

export async function showClone(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, { title: 'Show Clone', placeHolder: 'Which clone?' });
  if (clone !== undefined) await show(services, { kind: 'clone', key: clone.id }, clone.name);
}

async function show(services: Services, reference: RowReference, name: string): Promise<void> {
  const text = describeRow(treeState(services.session.model, Date.now()), reference);
  if (text !== undefined) await openPage(`${name} (${reference.kind})`, text.replace(/^###/, '#'));
}
