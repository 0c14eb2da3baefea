/** Puts a clone back to a chosen snapshot of its environment. */
import { confirmAndReset, isResettable } from './resetClone.ts';
import { readySnapshots } from './createClone.ts';
import { pickClone, pickValue } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { ageOf } from '../views/amounts.ts';
import { snapshotLabel, snapshotOrigins } from '../views/snapshotText.ts';
import type { RowOf } from '../views/rowId.ts';

export async function resetCloneTo(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Reset Clone To',
    placeHolder: 'Which clone?',
    accept: isResettable,
  });
  if (clone === undefined) return;
  const environment = services.session.model.environments.get(clone.environment);
  if (environment === undefined) return;
  const snapshots = readySnapshots(services, environment);
  const own = snapshots.find(({ id }) => id === clone.snapshot);
  const rest = snapshots.filter(({ id }) => id !== clone.snapshot);
  const target = await pickValue(
    [...(own === undefined ? [] : [own]), ...rest].map((snapshot) => ({
      label: snapshotLabel(snapshot),
      description: [
        snapshot.id === clone.snapshot ? 'the one it was made from' : undefined,
        snapshot.id === environment.latestSnapshot ? 'latest' : undefined,
        snapshotOrigins[snapshot.origin],
        ageOf(snapshot.dataStateAt ?? snapshot.createdAt, Date.now()),
        snapshotLabel(snapshot) === snapshot.name ? undefined : snapshot.name,
      ]
        .filter((part) => part !== undefined)
        .join(' · '),
      value: { reference: snapshot.id, text: `snapshot ${snapshot.name}` },
    })),
    { title: `Reset ${clone.name}`, placeHolder: 'To which snapshot?' },
  );
  if (target !== undefined) await confirmAndReset(services, clone, target);
}
