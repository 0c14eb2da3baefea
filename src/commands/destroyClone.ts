/** Destroys the selected clones. */
import type { Clone } from '../../engine/protocol/entities.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { confirmLoss } from '../dialogs/confirm.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickClone } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { countOf, sizeOf } from '../views/amounts.ts';
import { keyOfRow, type RowOf } from '../views/rowId.ts';

export async function destroyClone(
  services: Services,
  row?: RowOf<'clone'>,
  selected: readonly RowOf<'clone'>[] = [],
): Promise<void> {
  const clones = await clonesMeant(services, row, selected);
  const [first] = clones;
  if (first === undefined) return;
  const one = clones.length === 1;
  const unshared = clones.reduce((sum, { bytes }) => sum + (bytes.unshared ?? 0), 0);
  const answer = await confirmLoss({
    about: 'destroy',
    message: one ? `Destroy clone ${first.name}?` : `Destroy ${countOf(clones.length, 'clone')}?`,
    detail: `${one ? '' : `${clones.map(({ name }) => name).join(', ')}\n\n`}${one ? 'Its' : 'Their'} data${unshared === 0 ? '' : ` (${sizeOf(unshared)} unshared)`} is gone for good. ${one ? 'Its snapshot stays.' : 'Their snapshots stay.'}`,
    action: 'Destroy',
  });
  if (answer === undefined) return;
  const outcomes = await Promise.allSettled(
    clones.map((clone) =>
      runJob(services, (client, options) =>
        client.call('cloneDestroy', { params: { clone: referenceSchema.parse(clone.id) } }, options),
      ),
    ),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function clonesMeant(
  services: Services,
  row: RowOf<'clone'> | undefined,
  selected: readonly RowOf<'clone'>[],
): Promise<Clone[]> {
  await services.client();
  const { clones } = services.session.model;
  const rows = selected.length > 1 ? selected : [];
  const several = rows
    .map((each) => clones.get(keyOfRow(each, 'clone') ?? ''))
    .filter((clone) => clone !== undefined);
  if (several.length > 0) return several;
  const clone = await pickClone(services, row, {
    title: 'Destroy Clone',
    placeHolder: 'Which clone is no longer needed?',
  });
  return clone === undefined ? [] : [clone];
}
