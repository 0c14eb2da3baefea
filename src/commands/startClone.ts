/** Starts the servers of a stopped clone, and stops those of one that runs. */
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickClone } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';

export async function startClone(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Start Clone',
    placeHolder: 'Which clone?',
    accept: ({ state }) => state === 'stopped' || state === 'failed',
  });
  if (clone === undefined) return;
  await runJob(services, (client, options) =>
    client.call('cloneStart', { params: { clone: referenceSchema.parse(clone.id) } }, options),
  );
}

export async function stopClone(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Stop Clone',
    placeHolder: 'Which clone? Its data stays.',
    accept: ({ state, stoppedBy }) => state === 'ready' || (state === 'stopped' && stoppedBy === null),
  });
  if (clone === undefined) return;
  await runJob(services, (client, options) =>
    client.call('cloneStop', { params: { clone: referenceSchema.parse(clone.id) } }, options),
  );
}
