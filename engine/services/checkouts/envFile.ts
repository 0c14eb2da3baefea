/** Says which file carries the variables of a checkout, or that none does. */
import { fail } from '../../protocol/errors.ts';
import type { ServiceContext } from '../context.ts';
import type { Follower } from './follower.ts';

/** Errors: `env_file_tracked`, `env_file_failed`. */
export async function setEnvFile(
  { git }: Pick<ServiceContext, 'git'>,
  follower: Follower,
  { file, allowTracked = false }: { file: string | null; allowTracked?: boolean | undefined },
): Promise<void> {
  if (file !== null && !allowTracked && (await git.isTracked(follower.tree(), file)))
    throw fail('env_file_tracked', { file });
  const before = follower.record().envFile;
  if (before?.file !== file) await follower.takeBlockOut();
  follower.change({ envFile: file === null ? null : { file, allowTracked } });
  await follower.retry();
  const { envFile } = follower.entity();
  if (file === null || envFile?.state !== 'failed') return;
  follower.change({ envFile: before });
  await follower.retry();
  throw fail('env_file_failed', { file, problem: envFile.problem ?? 'it can not be written' });
}
