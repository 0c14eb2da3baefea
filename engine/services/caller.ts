/** Who asks for a change, and what the job that follows says of it. */
import type { Submission } from '../jobs/runner.ts';
import type { Job } from '../protocol/entities.ts';
import type { EnvironmentName } from '../protocol/ids.ts';
import type { IdempotencyKey } from '../state/store.ts';

export interface Caller {
  user: string;
  idempotencyKey?: IdempotencyKey | undefined;
}

type Asked = Pick<Submission<unknown, unknown>, 'createdBy' | 'idempotencyKey' | 'environment' | 'object'>;

/** What a job is on, and who asked for it. */
export const jobOn = (
  kind: Job['object']['kind'],
  { id, name, environment }: { id: string; name: string; environment: EnvironmentName },
  { user, idempotencyKey }: Caller,
): Asked => ({ createdBy: user, idempotencyKey, environment, object: { kind, id, name } });
