/** Destroys the selected clones. */
import type { Clone } from '../../engine/protocol/entities.ts';
import { fail, type ThinClonesError } from '../../engine/protocol/errors.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { confirmLoss } from '../dialogs/confirm.ts';
import { runJob } from '../dialogs/followJob.ts';
import { lossOf, lossOfAll } from '../dialogs/loss.ts';
import { pickClone } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { countOf, someOf } from '../views/amounts.ts';
import { isProtected } from '../views/treeRows.ts';
import { keyOfRow, type RowOf } from '../views/rowId.ts';

export async function destroyClone(
  services: Services,
  row?: RowOf<'clone'>,
  selected: readonly RowOf<'clone'>[] = [],
): Promise<void> {
  const meant = await clonesMeant(services, row, selected);
  const clones = meant.filter((clone) => !isProtected(clone, Date.now()));
  const guarded = meant.filter((clone) => !clones.includes(clone));
  const [first] = clones;
  // Before the question: it would promise what is refused then.
  if (first === undefined && guarded[0] !== undefined) throw protectionOf(guarded[0]);
  if (first === undefined) return;
  const one = clones.length === 1;
  const loss = one ? await lossOf(services, first, 'is gone for good') : lossOfAll(clones);
  const answer = await confirmLoss({
    about: 'destroy',
    message: one ? `Destroy clone ${first.name}?` : `Destroy ${countOf(clones.length, 'clone')}?`,
    detail: `${one ? '' : `${someOf(clones.map(({ name }) => name))}\n\n`}${loss} ${one ? 'Its snapshot stays.' : 'Their snapshots stay.'}${guarded.length === 0 ? '' : `\n\nProtected, and so kept: ${someOf(guarded.map(({ name }) => name))}.`}`,
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

const protectionOf = ({ name, protectedUntil }: Clone): ThinClonesError =>
  fail('clone_protected', { clone: name, until: protectedUntil ?? 'forever' });
