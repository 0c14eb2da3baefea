/** Makes a clone of a clone as it is now. */
import { cloneNameSchema, referenceSchema } from '../../engine/protocol/ids.ts';
import { askName } from '../dialogs/askName.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickClone } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';

export async function cloneOfClone(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const origin = await pickClone(services, row, {
    title: 'Create Clone of a Clone',
    placeHolder: 'A copy of which clone?',
    accept: ({ state }) => state === 'ready' || state === 'stopped',
  });
  if (origin === undefined) return;
  const taken = [...services.session.model.clones.values()].map(({ name }) => name as string);
  const name = await askName(cloneNameSchema, {
    title: `Create Clone of ${origin.name}`,
    prompt: `Name of the clone. It begins with the data that ${origin.name} has now, and goes its own way.`,
    value: freeName(origin.name, taken),
    taken,
    kind: 'clone',
  });
  if (name === undefined) return;
  const params = { clone: referenceSchema.parse(origin.id) };
  const job = await runJob(services, (client, options) =>
    client.call('cloneCopy', { params, body: { name } }, options),
  );
  if (job !== undefined) await services.tree.reveal({ kind: 'clone', key: job.object.id });
}

function freeName(origin: string, taken: readonly string[]): string {
  for (let number = 2; ; number++) {
    const name = `${origin.slice(0, 110)}-${number}`;
    if (!taken.includes(name)) return name;
  }
}
