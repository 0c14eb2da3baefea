/** What all jobs that remove data have in common: they commit before the first effect, and say of all of it that it goes before the first is gone. */
import type { Step } from '../jobs/steps.ts';
import { isFailure } from '../protocol/errors.ts';
import type { DatasetTags } from '../storage/storage.ts';
import { all, type ServiceContext } from './context.ts';

/** Journalled as committed before the first effect: what is half removed is finished, never offered again. */
export const giveUpStep = <Input>(undo: NonNullable<Step<Input, object>['undo']>): Step<Input, object> => ({
  name: 'Give up',
  commits: true,
  run: () => Promise.resolve(undefined),
  undo,
});

/** Tags all that belongs together as `doomed`: whoever finds one of them knows that the others are to go too. */
export async function tagDoomed(context: ServiceContext, datasets: readonly DatasetTags[]): Promise<void> {
  await all(datasets, (tags) => tagOneDoomed(context, tags));
}

/** If it is there. A full disk must not keep it from going: then its removal alone says so. */
async function tagOneDoomed({ storage }: ServiceContext, tags: DatasetTags): Promise<void> {
  try {
    if ((await storage.get(tags.dataset)) !== undefined) await storage.tag(tags.dataset, tags);
  } catch (error) {
    if (!isFailure(error, 'storage_full')) throw error;
  }
}
