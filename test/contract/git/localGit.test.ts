import { createLocalGit } from '../../../engine/git/local/localGit.ts';
import { describeGit } from './git.contract.ts';
import { makeRealPlace } from './realGit.ts';

describeGit('local', async () => {
  const { folder, environment, repository, dispose } = await makeRealPlace();
  return { git: createLocalGit({ environment }), folder, repository, dispose };
});
