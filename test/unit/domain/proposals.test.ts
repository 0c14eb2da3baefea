import assert from 'node:assert/strict';
import { propose, type BoundClone, type ProposalInput } from '../../../engine/domain/proposals.ts';
import { cloneIdSchema } from '../../../engine/protocol/ids.ts';
import { chooseSeed, seeded } from '../../support/seeds.ts';

const text = '2026-11-20T12:00:00.000Z';
const now = { ms: Date.parse(text), text };
const day = 24 * 3_600_000;

const idOf = (number: number) => cloneIdSchema.parse(`clone-${'a'.repeat(15)}${'abcdefghij'[number] ?? 'z'}`);

const cloneOf = (branch: string, more: Partial<BoundClone> = {}): BoundClone => ({
  id: idOf(0),
  branch,
  createdBy: 'me',
  protectedUntil: null,
  worktree: null,
  ...more,
});

type Branch = NonNullable<ProposalInput['repository']>['branches'][number];
const branchOf = (name: string, more: Partial<Branch> = {}): Branch => ({
  name,
  upstream: null,
  isUpstreamGone: false,
  mergedInto: null,
  ...more,
});

interface Given extends Partial<Omit<ProposalInput, 'repository'>> {
  repository?: Partial<NonNullable<ProposalInput['repository']>> | undefined;
}

function proposed(given: Given): ReturnType<typeof propose> {
  const { repository, ...rest } = given;
  const main = { path: '/repository', branch: 'main', isGone: false };
  return propose({
    clones: [cloneOf('feature')],
    shared: [],
    before: [],
    me: 'me',
    grace: undefined,
    now,
    ...rest,
    repository:
      'repository' in given && repository === undefined
        ? undefined
        : { defaultBranch: 'main', branches: [branchOf('main')], worktrees: [main], ...repository },
  });
}

const reasons = (given: Given): string[] => proposed(given).map(({ reason }) => reason);

describe('proposals to clean up', () => {
  it('proposes the clone of a merged branch, of one deleted here, and of one deleted at the remote', () => {
    const upstream = 'refs/remotes/origin/feature';
    assert.deepEqual(reasons({ repository: { branches: [branchOf('feature', { mergedInto: 'main' })] } }), [
      'merged',
    ]);
    assert.deepEqual(reasons({}), ['deleted']);
    const gone = branchOf('feature', { upstream, isUpstreamGone: true });
    assert.deepEqual(reasons({ repository: { branches: [gone] } }), ['remote-deleted']);
    assert.deepEqual(reasons({ repository: { branches: [branchOf('feature', { upstream })] } }), []);
  });

  it('proposes nothing where the repository can not be read', () => {
    assert.deepEqual(proposed({ repository: undefined }), []);
  });

  it('leaves what is checked out somewhere, and what the default branch has', () => {
    const merged = branchOf('feature', { mergedInto: 'main' });
    const worktrees = [{ path: '/other', branch: 'feature', isGone: false }];
    assert.deepEqual(reasons({ repository: { branches: [merged], worktrees } }), []);
    assert.deepEqual(reasons({ repository: { branches: [], worktrees } }), [], 'not even committed to yet');
    assert.deepEqual(reasons({ clones: [cloneOf('main')], repository: { branches: [] } }), []);
  });

  it('proposes the clone of a removed working tree, whether Git was told or not', () => {
    const branches = [branchOf('feature')];
    const clones = [cloneOf('feature', { worktree: '/other' })];
    const at = (isGone: boolean, branch: string | null) => [{ path: '/other', branch, isGone }];
    assert.deepEqual(reasons({ clones, repository: { branches, worktrees: [] } }), ['worktree-removed']);
    assert.deepEqual(reasons({ clones, repository: { branches, worktrees: at(true, 'feature') } }), [
      'worktree-removed',
    ]);
    assert.deepEqual(reasons({ clones, repository: { branches, worktrees: at(false, 'feature') } }), []);
    assert.deepEqual(reasons({ clones, repository: { branches, worktrees: at(false, 'another') } }), []);
    assert.deepEqual(reasons({ clones: [cloneOf('feature')], repository: { branches, worktrees: [] } }), []);
    const moved = [{ path: '/elsewhere', branch: 'feature', isGone: false }];
    assert.deepEqual(reasons({ clones, repository: { branches, worktrees: moved } }), []);
  });

  it('leaves the clone that branches share while there is one of them', () => {
    const clones = [cloneOf('release/*')];
    const merged = branchOf('release/1', { mergedInto: 'main' });
    assert.deepEqual(reasons({ clones, repository: { branches: [merged] } }), []);
    const worktrees = [{ path: '/other', branch: 'release/2', isGone: false }];
    assert.deepEqual(reasons({ clones, repository: { branches: [], worktrees } }), []);
    assert.deepEqual(reasons({ clones, repository: { branches: [branchOf('releases')] } }), ['deleted']);
    const develop = { clones: [cloneOf('develop')], shared: ['main', 'dev*'] };
    assert.deepEqual(
      reasons({ ...develop, repository: { branches: [branchOf('develop', { mergedInto: 'main' })] } }),
      [],
    );
    assert.deepEqual(reasons(develop), ['deleted']);
  });

  it('destroys without asking only after the grace period, and only what is mine and unprotected', () => {
    const before = [{ clone: idOf(0), branch: 'feature', sinceMs: now.ms - 7 * day }];
    const first = (given: Given) => proposed(given)[0];
    const told = first({ before, grace: '7d' });
    assert.ok(told?.automatic === true && told.destroyAtMs === now.ms && told.sinceMs === now.ms - 7 * day);
    const later = first({ before, grace: '8d' });
    assert.ok(later?.automatic === false && later.destroyAtMs === now.ms + day);
    const just = first({ grace: '7d' });
    assert.ok(just?.automatic === false && just.sinceMs === now.ms);
    const unasked = first({ before });
    assert.ok(unasked?.automatic === false && unasked.destroyAtMs === null);
    for (const clone of [
      cloneOf('feature', { createdBy: 'you' }),
      cloneOf('feature', { protectedUntil: 'forever' }),
    ]) {
      const kept = first({ before, grace: '7d', clones: [clone] });
      assert.ok(kept?.automatic === false && kept.destroyAtMs === null);
      assert.equal(kept.isMine, clone.createdBy === 'me');
      assert.equal(kept.isProtected, clone.protectedUntil !== null);
    }
    const other = [{ clone: idOf(0), branch: 'another', sinceMs: 0 }];
    assert.equal(first({ before: other, grace: '7d' })?.sinceMs, now.ms, 'another branch is another story');
  });

  it('never proposes without a reason that is there, whatever it is told', () => {
    const seed = chooseSeed();
    const random = seeded(seed);
    const names = ['main', 'a', 'b', 'release/1', 'release/*', '-x'];
    const pick = <Value>(from: readonly [Value, ...Value[]]): Value =>
      from[Math.floor(random() * from.length)] ?? from[0];
    const maybe = (): boolean => random() < 0.4;
    for (let time = 0; time < 5000; time++) {
      const branches = names
        .filter((name) => name !== 'release/*' && maybe())
        .map((name) =>
          branchOf(name, {
            mergedInto: maybe() ? 'main' : null,
            upstream: maybe() ? `refs/remotes/origin/${name}` : null,
            isUpstreamGone: maybe(),
          }),
        );
      const worktrees = names
        .filter(maybe)
        .map((name) => ({ path: `/${name}`, branch: maybe() ? name : null, isGone: maybe() }));
      const given: Given = {
        repository:
          maybe() && maybe() ? undefined : { defaultBranch: pick([null, 'main', 'a']), branches, worktrees },
        clones: names.map((name, index) =>
          cloneOf(name, {
            id: idOf(index),
            createdBy: pick(['me', 'you']),
            protectedUntil: pick([null, null, 'forever', text, '2027-01-01T00:00:00.000Z']),
            worktree: pick([null, `/${name}`]),
          }),
        ),
        shared: names.filter(maybe),
        before: maybe() ? [{ clone: idOf(1), branch: 'a', sinceMs: now.ms - 10 * day }] : [],
        grace: pick([undefined, '1m', '7d']),
      };
      for (const proposal of proposed(given)) {
        const context = `THIN_CLONES_SEED=${seed}, time ${time + 1}: ${JSON.stringify(proposal)}`;
        const branch = branches.find(({ name }) => name === proposal.branch);
        assert.notEqual(given.repository, undefined, context);
        assert.notEqual(proposal.branch, given.repository?.defaultBranch, context);
        assert.ok(!worktrees.some((tree) => !tree.isGone && tree.branch === proposal.branch), context);
        if (proposal.reason === 'deleted') assert.equal(branch, undefined, context);
        if (proposal.reason === 'merged') assert.notEqual(branch?.mergedInto ?? null, null, context);
        if (proposal.reason === 'remote-deleted') assert.equal(branch?.isUpstreamGone, true, context);
        if (proposal.automatic) {
          assert.ok(proposal.isMine && !proposal.isProtected && given.grace !== undefined, context);
          assert.ok(
            given.before?.some(({ clone }) => clone === proposal.clone),
            context,
          );
        }
      }
    }
  });
});
