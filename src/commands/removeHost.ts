/** Forgets another machine: what is there stays, and goes on. */
import * as vscode from 'vscode';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { pickHost } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { countOf } from '../views/amounts.ts';
import type { RowOf } from '../views/rowId.ts';

export async function removeHost(services: Services, row?: RowOf<'host'>): Promise<void> {
  const host = await pickHost(services, row, 'Remove Host', {
    accept: ({ kind }) => kind !== 'local',
    none: 'No other machine is joined yet.',
  });
  if (host === undefined) return;
  const { name } = host;
  const { environments, clones, snapshots } = services.session.model;
  const isThere = (environment: string): boolean => environments.get(environment)?.definition.host === name;
  const count = (items: Iterable<{ readonly environment: string }>): number =>
    [...items].filter(({ environment }) => isThere(environment)).length;
  const cloneCount = count(clones.values());
  const remove = 'Remove';
  const chosen = await vscode.window.showWarningMessage(
    `Remove host ${name}?`,
    {
      modal: true,
      detail: [
        `It is only forgotten on this machine. Its engine, ${countOf(cloneCount, 'clone')} and ${countOf(count(snapshots.values()), 'snapshot')} stay at ${host.address ?? name} and go on: they are here again when you add it again.`,
        ...(cloneCount === 0
          ? []
          : ['Addresses on this machine that lead to its clones lead nowhere from then on.']),
      ].join('\n\n'),
    },
    remove,
  );
  if (chosen !== remove) return;
  const client = await services.client();
  await client.call('hostRemove', { params: { host: referenceSchema.parse(name) } });
  vscode.window.setStatusBarMessage(`$(check) Host ${name} is forgotten here`, 5000);
}
