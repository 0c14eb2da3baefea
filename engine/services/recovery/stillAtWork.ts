/** What jobs of an earlier engine still work on, because their ends take long: recovery leaves that to them. */
import type { CloneId, JobId, SnapshotId } from '../../protocol/ids.ts';
import type { Dataset } from '../../storage/storage.ts';
import type { ServiceContext } from '../context.ts';

export interface StillAtWork {
  job(id: JobId): boolean;
  on(object: CloneId | SnapshotId): boolean;
  onData(dataset: Dataset): boolean;
}

export function stillAtWork({ runner }: Pick<ServiceContext, 'runner'>): StillAtWork {
  const job: StillAtWork['job'] = (id) => runner.get(id)?.endedAt === null;
  const on: StillAtWork['on'] = (object) => runner.holder([{ key: object, mode: 'exclusive' }]) !== undefined;
  return {
    job,
    on,
    onData: ({ tags }) =>
      (tags.job !== undefined && job(tags.job)) ||
      on(tags.content.kind === 'clone' ? tags.content.clone.id : tags.content.snapshot.id),
  };
}
