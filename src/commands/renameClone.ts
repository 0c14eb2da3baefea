/** Gives a clone another name. */
import { cloneNameSchema, referenceSchema } from '../../engine/protocol/ids.ts';
import { askName } from '../dialogs/askName.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickClone } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';

export async function renameClone(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Rename Clone',
    placeHolder: 'Which clone?',
    accept: ({ state }) => state === 'ready' || state === 'stopped',
  });
  if (clone === undefined) return;
  const others = [...services.session.model.clones.values()].filter(({ id }) => id !== clone.id);
  const name = await askName(cloneNameSchema, {
    title: `Rename ${clone.name}`,
    prompt: 'New name of the clone. Port, user, password and branch stay the same.',
    value: clone.name,
    taken: others.map((each) => each.name),
    kind: 'clone',
  });
  if (name === undefined || name === clone.name) return;
  const params = { clone: referenceSchema.parse(clone.id) };
  await runJob(services, (client, options) =>
    client.call('cloneRename', { params, body: { name } }, options),
  );
}
