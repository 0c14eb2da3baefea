/** What every Git adapter must do, as one suite that runs over each of them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Git, GitWatch, Operation, WorkingTree } from '../../../engine/git/git.ts';
import type { Head } from '../../../engine/protocol/entities.ts';

/** A person at work in one working tree; `FakeTree` says what the deeds are. */
export interface Person {
  readonly path: string;
  checkout(branch: string): Promise<void>;
  detach(): Promise<void>;
  commit(): Promise<void>;
  begin(operation: Operation): Promise<void>;
  end(): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  deleteBranch(branch: string): Promise<void>;
  merge(branch: string): Promise<void>;
  push(branch: string): Promise<void>;
  deleteUpstream(branch: string): Promise<void>;
  addWorktree(path: string, branch: string): Promise<Person>;
  removeWorktree(path: string): Promise<void>;
  damageHead(): Promise<void>;
  track(file: string): Promise<void>;
  ignore(file: string): Promise<void>;
}

export interface GitFixture {
  git: Git;
  /** Real path of a folder that is in no working tree. */
  folder: string;
  /** A new repository without commits, on main. */
  repository(path: string): Promise<Person>;
  dispose(): Promise<void>;
}

const operations = ['rebase', 'merge', 'cherry-pick', 'revert', 'bisect', 'am'] as const;

export async function located(git: Git, path: string): Promise<WorkingTree> {
  const tree = await git.locate(path);
  assert.ok(tree !== undefined, `${path} is in a working tree`);
  return tree;
}

/** What HEAD is on, in a word. */
export const placeOf = (head: Head): string =>
  head.kind === 'branch' ? head.branch : head.kind === 'detached' ? 'detached' : 'unreadable';

export interface Following {
  until: (wanted: (head: Head) => boolean) => Promise<Head>;
  calls: () => number;
  watch: GitWatch;
}

/** Follows HEAD as the engine does: a reading after each call, never two at once. */
export async function follow(git: Git, tree: WorkingTree): Promise<Following> {
  let wake = Promise.withResolvers<undefined>();
  let calls = 0;
  const watch = await git.watch(tree, () => {
    calls++;
    wake.resolve(undefined);
  });
  return {
    watch,
    calls: () => calls,
    until: async (wanted) => {
      for (;;) {
        const next = Promise.withResolvers<undefined>();
        wake = next;
        const head = await git.head(tree);
        if (wanted(head)) return head;
        await next.promise;
      }
    },
  };
}

export function describeGit(title: string, make: () => Promise<GitFixture>): void {
  describe(`git contract: ${title}`, () => {
    let fixture: GitFixture;
    let git: Git;
    let number = 0;
    before(async () => {
      fixture = await make();
      ({ git } = fixture);
    });
    after(() => fixture.dispose());

    /** A repository with three commits on main. */
    const repository = async (): Promise<{ person: Person; tree: WorkingTree }> => {
      const person = await fixture.repository(join(fixture.folder, `repository-${++number}`));
      for (let commit = 0; commit < 3; commit++) await person.commit();
      return { person, tree: await located(git, person.path) };
    };

    describe('locating', () => {
      it('finds the working tree of a folder in it, and none elsewhere', async () => {
        const { person, tree } = await repository();
        assert.equal(tree.path, person.path);
        assert.equal(tree.kind, 'main');
        assert.equal(tree.gitDirectory, tree.commonDirectory);
        assert.equal(await git.locate(fixture.folder), undefined);
        assert.equal(await git.locate(join(fixture.folder, 'nothing-here')), undefined);
        assert.equal(await git.locate(tree.gitDirectory), undefined);
      });

      it('tells linked working trees from the main one and knows their repository', async () => {
        const { person, tree } = await repository();
        const other = await person.addWorktree(`${person.path}-linked`, 'feature/linked');
        const linked = await located(git, other.path);
        assert.equal(linked.kind, 'worktree');
        assert.equal(linked.path, other.path);
        assert.equal(linked.commonDirectory, tree.commonDirectory);
        assert.notEqual(linked.gitDirectory, tree.gitDirectory);
      });
    });

    describe('HEAD', () => {
      it('is on a branch without commit in a new repository, and with one after the first', async () => {
        const person = await fixture.repository(join(fixture.folder, `repository-${++number}`));
        const tree = await located(git, person.path);
        assert.deepEqual(await git.head(tree), {
          kind: 'branch',
          branch: 'main',
          commit: null,
          operation: null,
        });
        await person.commit();
        const head = await git.head(tree);
        assert.ok(head.kind === 'branch' && head.commit !== null);
        assert.match(head.commit, /^[0-9a-f]{40}$/);
      });

      it('follows checkouts, with every name that a branch can have', async () => {
        const { person, tree } = await repository();
        const long = Array.from({ length: 5 }, (_, index) => String(index).repeat(49)).join('/');
        for (const branch of [
          'feature/a',
          'feature-a',
          'größe/Ω',
          'a.b@c',
          '🐘/x',
          'Feature/A',
          long,
          'main',
        ]) {
          await person.checkout(branch);
          assert.equal(placeOf(await git.head(tree)), branch);
        }
      });

      it('is detached at a commit, with no branch to return to', async () => {
        const { person, tree } = await repository();
        const before = await git.head(tree);
        await person.detach();
        const head = await git.head(tree);
        assert.ok(before.kind === 'branch' && head.kind === 'detached');
        assert.deepEqual(head, { kind: 'detached', commit: before.commit, operation: null, branch: null });
      });

      for (const operation of operations)
        it(`tells that ${operation} is under way on its branch, and that it has ended`, async () => {
          const { person, tree } = await repository();
          await person.checkout('feature');
          await person.begin(operation);
          const head = await git.head(tree);
          assert.ok(head.kind !== 'unreadable');
          assert.equal(head.operation, operation);
          assert.equal(head.branch, 'feature');
          assert.equal(head.kind, ['rebase', 'bisect'].includes(operation) ? 'detached' : 'branch');
          await person.end();
          const ended = await git.head(tree);
          assert.ok(ended.kind === 'branch' && ended.branch === 'feature' && ended.operation === null);
        });

      it('is unreadable when it says nothing that can be understood, or when the tree is gone', async () => {
        const { person } = await repository();
        const other = await person.addWorktree(`${person.path}-linked`, 'feature');
        const linked = await located(git, other.path);
        await person.removeWorktree(other.path);
        const gone = await git.head(linked);
        assert.ok(gone.kind === 'unreadable');
        assert.match(gone.problem, /is gone$/);

        const tree = await located(git, person.path);
        await person.damageHead();
        const damaged = await git.head(tree);
        assert.ok(damaged.kind === 'unreadable');
        assert.match(damaged.problem, /neither a branch nor a commit/);
      });
    });

    describe('watching', () => {
      it('tells of checkouts, commits, operations and detachment, and of nothing after it was closed', async () => {
        const { person, tree } = await repository();
        const { until, watch, calls } = await follow(git, tree);
        await person.checkout('feature');
        const before = await until((head) => placeOf(head) === 'feature');
        await person.commit();
        await until(
          (head) => head.kind === 'branch' && before.kind === 'branch' && head.commit !== before.commit,
        );
        await person.begin('merge');
        await until((head) => head.kind === 'branch' && head.operation === 'merge');
        await person.end();
        await until((head) => head.kind === 'branch' && head.operation === null);
        await person.rename('feature', 'renamed');
        await until((head) => placeOf(head) === 'renamed');
        await person.detach();
        await until((head) => head.kind === 'detached');
        watch.close();
        const told = calls();
        await person.checkout('main');
        assert.equal(calls(), told);
      });

      it('goes on when a working tree is removed and made again', async () => {
        const { person } = await repository();
        const path = `${person.path}-linked`;
        const linked = await located(git, (await person.addWorktree(path, 'one')).path);
        const { until, watch } = await follow(git, linked);
        for (const branch of ['two', 'three']) {
          await person.removeWorktree(path);
          await until((head) => head.kind === 'unreadable');
          const again = await person.addWorktree(path, branch);
          await until((head) => placeOf(head) === branch);
          await again.checkout(`${branch}-more`);
          await until((head) => placeOf(head) === `${branch}-more`);
        }
        watch.close();
      });

      it('of one working tree tells nothing of another', async () => {
        const { person, tree } = await repository();
        const other = await person.addWorktree(`${person.path}-linked`, 'feature');
        const main = await follow(git, tree);
        const linked = await follow(git, await located(git, other.path));
        await other.checkout('other');
        await linked.until((head) => placeOf(head) === 'other');
        assert.equal(placeOf(await git.head(tree)), 'main');
        await person.checkout('mine');
        await main.until((head) => placeOf(head) === 'mine');
        assert.equal(placeOf(await git.head(await located(git, other.path))), 'other');
        main.watch.close();
        linked.watch.close();
      });
    });

    describe('branches', () => {
      it('had other names before they were renamed, newest first, unless those are branches again', async () => {
        const { person, tree } = await repository();
        await person.checkout('one');
        await person.commit();
        assert.deepEqual(await git.formerNames(tree, 'one'), []);
        await person.rename('one', 'two');
        await person.rename('two', 'three');
        assert.deepEqual(await git.formerNames(tree, 'three'), ['two', 'one']);
        await person.checkout('one');
        assert.deepEqual(await git.formerNames(tree, 'three'), ['two']);
        assert.deepEqual(await git.formerNames(tree, 'one'), []);
        assert.deepEqual(await git.formerNames(tree, 'nothing'), []);
      });

      it('are reported with what became of them', async () => {
        const { person, tree } = await repository();
        for (const branch of ['merged', 'open', 'gone']) {
          await person.checkout(branch);
          await person.commit();
          await person.checkout('main');
        }
        await person.checkout('fresh');
        await person.checkout('main');
        await person.push('open');
        await person.push('gone');
        await person.deleteUpstream('gone');
        await person.merge('merged');
        const report = await git.branches(tree);
        assert.equal(report.defaultBranch, 'main');
        const told = Object.fromEntries(
          report.branches.map(({ name, mergedInto, upstream, isUpstreamGone }) => [
            name,
            { mergedInto, upstream, isUpstreamGone },
          ]),
        );
        const nothing = { mergedInto: null, upstream: null, isUpstreamGone: false };
        assert.deepEqual(told, {
          main: nothing,
          fresh: nothing,
          merged: { ...nothing, mergedInto: 'main' },
          open: { ...nothing, upstream: 'refs/remotes/origin/open' },
          gone: { ...nothing, upstream: 'refs/remotes/origin/gone', isUpstreamGone: true },
        });
        for (const { commit, committedAt, author } of report.branches) {
          assert.match(commit, /^[0-9a-f]{40}$/);
          assert.equal(new Date(committedAt).toISOString(), committedAt);
          assert.match(author, /^.+ <.+>$/);
        }
      });

      it('are reported with where they are checked out, also during a rebase', async () => {
        const { person, tree } = await repository();
        const one = await person.addWorktree(`${person.path}-one`, 'one');
        const two = await person.addWorktree(`${person.path}-two`, 'two');
        await two.begin('rebase');
        const listed = (await git.branches(tree)).worktrees;
        assert.deepEqual(
          [...listed].sort((a, b) => (a.path < b.path ? -1 : 1)),
          [
            { path: person.path, branch: 'main', isGone: false },
            { path: one.path, branch: 'one', isGone: false },
            { path: two.path, branch: 'two', isGone: false },
          ],
        );
        assert.deepEqual((await git.branches(await located(git, one.path))).worktrees, listed);
        await person.removeWorktree(one.path);
        assert.deepEqual(
          (await git.branches(tree)).worktrees.map(({ path }) => path),
          [person.path, two.path],
        );
      });

      it('end with the reason when they are no longer wanted', async () => {
        const { tree } = await repository();
        const reason = new Error('no longer wanted');
        await assert.rejects(git.branches(tree, AbortSignal.abort(reason)), reason);
      });
    });

    it('tells tracked files from ignored ones and others', async () => {
      const { person, tree } = await repository();
      await person.track('.env');
      await person.ignore('secret.env');
      await person.ignore('*.odd');
      await person.track('*.odd');
      const told = async (file: string): Promise<[boolean, boolean]> => [
        await git.isTracked(tree, file),
        await git.isIgnored(tree, file),
      ];
      assert.deepEqual(await told('.env'), [true, false]);
      assert.deepEqual(await told('secret.env'), [false, true]);
      assert.deepEqual(await told('other'), [false, false]);
      assert.deepEqual(await told('*.odd'), [true, false]);
    });
  });
}
