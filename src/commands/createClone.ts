/** Makes a clone of an environment's newest snapshot, or of a chosen one. */
import * as vscode from 'vscode';
import type { Environment, Snapshot } from '../../engine/protocol/entities.ts';
import { cloneIdSchema, cloneNameSchema, referenceSchema } from '../../engine/protocol/ids.ts';
import { branchOf } from '../checkouts/checkoutText.ts';
import { askName } from '../dialogs/askName.ts';
import { pickEnvironment, pickValue } from '../dialogs/pick.ts';
import { runJob } from '../dialogs/followJob.ts';
import { tellCreated } from '../dialogs/offers.ts';
import type { Services } from '../services.ts';
import { ageOf } from '../views/amounts.ts';
import { isRefreshed, snapshotLabel, snapshotOrigins } from '../views/snapshotText.ts';
import { keyOfRow, type RowOf } from '../views/rowId.ts';
import type { EnvironmentRow } from './commandIds.ts';
import { refreshNow } from './refreshEnvironment.ts';

export async function createClone(
  services: Services,
  row?: EnvironmentRow | RowOf<'snapshot'>,
): Promise<void> {
  const client = await services.client();
  const { model } = services.session;
  const chosen = model.snapshots.get(keyOfRow(row, 'snapshot') ?? '');
  const environment =
    model.environments.get(chosen?.environment ?? '') ??
    (await pickEnvironment(services, row, {
      title: 'Create Clone',
      placeHolder: 'A clone of which environment?',
    }));
  if (environment === undefined) return;
  const ready = readySnapshots(services, environment);
  if (ready.length === 0) {
    await offerRefresh(services, environment);
    return;
  }
  // On a row the newest snapshot is what is wanted; from the palette it is asked for, if there is a choice.
  const snapshot = chosen ?? (row === undefined && ready.length > 1 ? await askSnapshot(ready) : ready[0]);
  if (snapshot === undefined) return;
  const name = await askName(cloneNameSchema, {
    title: `Create Clone of ${environment.name}`,
    prompt: `Name of the clone. It is made from snapshot ${snapshot.name}, ${ageOf(snapshot.dataStateAt ?? snapshot.createdAt, Date.now())}.`,
    value: proposedName(services),
    taken: [...model.clones.values()].map((clone) => clone.name),
    kind: 'clone',
  });
  if (name === undefined) return;
  const job = await runJob(services, (_, options) =>
    client.call(
      'cloneCreate',
      {
        body: {
          environment: referenceSchema.parse(environment.name),
          snapshot: referenceSchema.parse(snapshot.id),
          name,
        },
      },
      options,
    ),
  );
  if (job === undefined) return;
  const id = cloneIdSchema.parse(job.object.id);
  await services.tree.reveal({ kind: 'clone', key: id });
  tellCreated(services, { id, name });
}

export function readySnapshots(services: Services, environment: Environment): Snapshot[] {
  return [...services.session.model.snapshots.values()]
    .filter((snapshot) => snapshot.environment === environment.name && snapshot.state === 'ready')
    .sort(
      (a, b) =>
        Number(b.id === environment.latestSnapshot) - Number(a.id === environment.latestSnapshot) ||
        Number(isRefreshed(b)) - Number(isRefreshed(a)) ||
        (a.createdAt < b.createdAt ? 1 : -1),
    );
}

async function askSnapshot(ready: readonly Snapshot[]): Promise<Snapshot | undefined> {
  return await pickValue(
    ready.map((value, index) => ({
      label: snapshotLabel(value),
      description: [
        index === 0 ? 'latest' : undefined,
        snapshotOrigins[value.origin],
        ageOf(value.dataStateAt ?? value.createdAt, Date.now()),
        snapshotLabel(value) === value.name ? undefined : value.name,
      ]
        .filter((part) => part !== undefined)
        .join(' · '),
      value,
    })),
    { title: 'Create Clone', placeHolder: 'Of which snapshot?' },
  );
}

async function offerRefresh(services: Services, environment: Environment): Promise<void> {
  const refresh = 'Refresh Environment';
  const chosen = await vscode.window.showInformationMessage(
    `Environment ${environment.name} has no snapshot yet. A refresh copies its data and makes one.`,
    refresh,
  );
  if (chosen === refresh) await refreshNow(services, environment);
}

/** The current branch's, else `clone-N` with the lowest number that is free. */
function proposedName(services: Services): string {
  const names = new Set([...services.session.model.clones.values()].map((clone) => clone.name as string));
  const checkout = services.checkouts.current()?.checkout;
  const branch = checkout === undefined ? undefined : branchOf(checkout);
  if (branch !== undefined && cloneNameSchema.safeParse(branch).success && !names.has(branch)) return branch;
  for (let number = 1; ; number++) {
    if (!names.has(`clone-${number}`)) return `clone-${number}`;
  }
}
