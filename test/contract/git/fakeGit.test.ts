import { createFakeGit, type FakeTree } from '../../../engine/git/fake/fakeGit.ts';
import { describeGit, type Person } from './git.contract.ts';

const personAt = (fake: FakeTree): Person => ({
  path: fake.tree.path,
  checkout: async (branch) => fake.checkout(branch),
  detach: async () => fake.detach(),
  commit: async () => fake.commit(),
  begin: async (operation) => fake.begin(operation),
  end: async () => fake.end(),
  rename: async (from, to) => fake.rename(from, to),
  deleteBranch: async (branch) => fake.deleteBranch(branch),
  merge: async (branch) => fake.merge(branch),
  push: async (branch) => fake.push(branch),
  deleteUpstream: async (branch) => fake.deleteUpstream(branch),
  addWorktree: async (path, branch) => personAt(fake.addWorktree(path, branch)),
  removeWorktree: async (path) => fake.removeWorktree(path),
  damageHead: async () => fake.damageHead(),
  track: async (file) => fake.track(file),
  ignore: async (file) => fake.ignore(file),
});

describeGit('fake', async () => {
  const git = createFakeGit({ now: () => Date.parse('2026-11-20T12:00:00.000Z') });
  return {
    git,
    folder: '/work',
    repository: async (path) => personAt(git.addRepository(path)),
    dispose: async () => undefined,
  };
});
