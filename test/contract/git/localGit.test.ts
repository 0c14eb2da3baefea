import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { chown, mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createLocalGit } from '../../../engine/git/local/localGit.ts';
import type { Git, WorkingTree } from '../../../engine/git/git.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { chooseSeed, seeded } from '../../support/seeds.ts';
import { skipSuite } from '../../support/skips.ts';
import { describeGit, follow, located, placeOf, type Person } from './git.contract.ts';
import { makeRealPlace, type RealPlace } from './realGit.ts';

/** Longer than any test: what is seen is seen by the watches. */
const never = 1_000_000;

describeGit('local', async () => {
  const { folder, environment, repository, dispose } = await makeRealPlace();
  return { git: createLocalGit({ environment, lookAgainMs: never }), folder, repository, dispose };
});

/** Where Git is older there are no such repositories. */
const [major = 0, minor = 0] = (
  /\d+\.\d+/.exec(execFileSync('git', ['--version'], { encoding: 'utf8' }))?.[0] ?? ''
)
  .split('.')
  .map(Number);
if (major > 2 || (major === 2 && minor >= 45))
  describeGit('local, with reftable', async () => {
    const place = await makeRealPlace({ GIT_DEFAULT_REF_FORMAT: 'reftable' });
    const { folder, environment, repository, dispose } = place;
    return { git: createLocalGit({ environment, lookAgainMs: never }), folder, repository, dispose };
  });

describe('local Git', () => {
  let place: RealPlace;
  let git: Git;
  let number = 0;
  before(async () => {
    place = await makeRealPlace();
    git = createLocalGit({ environment: place.environment, lookAgainMs: never });
  });
  after(() => place.dispose());

  const newPath = (): string => join(place.folder, `repository-${++number}`);
  const repository = async (): Promise<{ person: Person; tree: WorkingTree }> => {
    const person = await place.repository(newPath());
    for (let commit = 0; commit < 3; commit++) await person.commit();
    return { person, tree: await located(git, person.path) };
  };

  describe('locating', () => {
    it('knows no working tree in a bare repository, and the linked ones of it', async () => {
      const path = newPath();
      await place.run(place.folder, 'init', '--quiet', '--bare', path);
      assert.equal(await git.locate(path), undefined);
      const { person } = await repository();
      await person.push('main');
      const bare = `${person.path}-remote`;
      await place.run(bare, 'worktree', 'add', '--quiet', '-b', 'feature', `${path}-linked`, 'main');
      const tree = await located(git, `${path}-linked`);
      assert.deepEqual([tree.kind, tree.commonDirectory], ['worktree', bare]);
      const { worktrees } = await git.branches(tree);
      assert.deepEqual(worktrees, [
        { path: bare, branch: 'main', isGone: false },
        { path: tree.path, branch: 'feature', isGone: false },
      ]);
    });

    it('tells a submodule from the repository around it, and the watch of each from the other', async () => {
      const inner = await repository();
      const { person, tree } = await repository();
      await place.run(person.path, 'submodule', '--quiet', 'add', inner.person.path, 'part');
      const part = await located(git, join(person.path, 'part'));
      assert.equal(part.kind, 'submodule');
      assert.equal(part.gitDirectory, join(tree.gitDirectory, 'modules', 'part'));
      assert.equal(part.commonDirectory, part.gitDirectory);
      const { until, watch } = await follow(git, part);
      await place.run(part.path, 'checkout', '--quiet', '-b', 'within');
      await until((head) => placeOf(head) === 'within');
      assert.equal(placeOf(await git.head(tree)), 'main');
      watch.close();
    });

    it('follows links to the real folders', async () => {
      const { person, tree } = await repository();
      const link = newPath();
      await symlink(person.path, link);
      assert.deepEqual(await git.locate(link), tree);
    });

    it('heeds no GIT_DIR of the environment', async () => {
      const { person, tree } = await repository();
      const environment = {
        ...place.environment,
        GIT_DIR: '/nowhere',
        GIT_WORK_TREE: '/nowhere',
        PAGER: 'false',
      };
      const misled = createLocalGit({ environment });
      assert.deepEqual(await misled.locate(person.path), tree);
      assert.equal((await misled.branches(tree)).branches.length, 1);
    });

    it('says how to go on when Git is missing', async () => {
      const { person, tree } = await repository();
      const without = createLocalGit({ environment: { ...place.environment, PATH: '/nowhere' } });
      await assert.rejects(
        without.locate(person.path),
        (error) =>
          isFailure(error, 'git_failed') && error.message.endsWith('"git" is not in PATH. Install Git.'),
      );
      assert.equal(placeOf(await without.head(tree)), 'main', 'HEAD is read from files, without a process');
    });

    it('says how to trust a repository of another user', async function () {
      if (process.getuid?.() !== 0) skipSuite(this, 'only root can give a folder to another user');
      const { person } = await repository();
      await chown(person.path, 12_345, 12_345);
      await chown(join(person.path, '.git'), 12_345, 12_345);
      await assert.rejects(
        git.locate(person.path),
        (error) =>
          isFailure(error, 'git_failed') &&
          error.message.includes(`git config --global --add safe.directory ${person.path}`),
      );
    });
  });

  describe('HEAD', () => {
    it('is read with names that only plumbing can make', async () => {
      const { person, tree } = await repository();
      for (const branch of ['-x', '--', 'HEAD', 'refs/heads/main', "a'b;c$(d)"]) {
        await place.run(person.path, 'update-ref', `refs/heads/${branch}`, 'HEAD');
        await place.run(person.path, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`);
        const head = await git.head(tree);
        assert.ok(head.kind === 'branch' && head.branch === branch && head.commit !== null, branch);
        assert.deepEqual(await git.formerNames(tree, branch), []);
      }
      assert.equal((await git.branches(tree)).branches.length, 6);
    });

    it('leads to a packed commit, and to none where there is no such branch', async () => {
      const { person, tree } = await repository();
      await person.checkout('feature/a');
      const before = await git.head(tree);
      await place.run(person.path, 'pack-refs', '--all', '--prune');
      assert.deepEqual(await git.head(tree), before);
      await place.run(person.path, 'symbolic-ref', 'HEAD', 'refs/heads/feature');
      const nowhere = await git.head(tree);
      assert.deepEqual(nowhere, { kind: 'branch', branch: 'feature', commit: null, operation: null });
    });

    it('may be a symbolic link', async () => {
      const { person, tree } = await repository();
      const expected = await git.head(tree);
      await unlink(join(tree.gitDirectory, 'HEAD'));
      await symlink('refs/heads/main', join(tree.gitDirectory, 'HEAD'));
      assert.equal(await place.run(person.path, 'symbolic-ref', 'HEAD'), 'refs/heads/main');
      assert.deepEqual(await git.head(tree), expected);
    });

    for (const [title, content] of [
      ['is empty', ''],
      ['leads out of the repository', 'ref: refs/heads/../../../../../../etc/passwd\n'],
      ['is no branch', 'ref: refs/remotes/origin/main\n'],
      ['is not UTF-8', Buffer.from('ref: refs/heads/\xff\n', 'latin1')],
    ] as const)
      it(`is unreadable when it ${title}`, async () => {
        const { tree } = await repository();
        await writeFile(join(tree.gitDirectory, 'HEAD'), content);
        assert.equal((await git.head(tree)).kind, 'unreadable');
      });

    it('is unreadable when it is missing, and when the whole folder is', async () => {
      const { person, tree } = await repository();
      await unlink(join(tree.gitDirectory, 'HEAD'));
      assert.equal((await git.head(tree)).kind, 'unreadable');
      await rm(person.path, { recursive: true });
      assert.equal((await git.head(tree)).kind, 'unreadable');
    });

    it('is not that of the working tree which was there before another repository made one in its place', async () => {
      const { person } = await repository();
      const { person: other } = await repository();
      const path = newPath();
      await place.run(person.path, 'worktree', 'add', '--quiet', '-b', 'feature', path);
      const tree = await located(git, path);
      assert.equal((await git.head(tree)).kind, 'branch');
      await rm(path, { recursive: true });
      await place.run(other.path, 'worktree', 'add', '--quiet', '-b', 'other', path);
      assert.equal((await git.head(tree)).kind, 'unreadable');
      const now = await git.head(await located(git, path));
      assert.equal(now.kind === 'branch' && now.branch, 'other');
    });

    it('tells of picks that wait between two commits, and of a bisect under a merge', async () => {
      const { person, tree } = await repository();
      await person.checkout('feature');
      await place.stop(person.path, 'revert', '--no-edit', 'HEAD~1', 'HEAD~2');
      await place.run(person.path, 'checkout', '--quiet', '--ours', 'line');
      await place.run(person.path, 'add', 'line');
      await place.run(person.path, 'commit', '--quiet', '--allow-empty', '--message', 'decided');
      const between = await git.head(tree);
      assert.ok(between.kind === 'branch' && between.operation === 'revert');
      await place.run(person.path, 'revert', '--quit');

      await person.begin('bisect');
      await person.begin('merge');
      const head = await git.head(tree);
      assert.ok(head.kind === 'detached' && head.operation === 'merge' && head.branch === 'feature');
    });

    it('of a detached rebase returns to no branch', async () => {
      const { person, tree } = await repository();
      await person.detach();
      await person.begin('rebase');
      const head = await git.head(tree);
      assert.ok(head.kind === 'detached' && head.operation === 'rebase' && head.branch === null);
    });

    it('tells that the older kind of rebase is under way', async () => {
      const { person, tree } = await repository();
      await person.checkout('feature');
      await place.stop(person.path, 'rebase', '--apply', '--onto', 'HEAD~2', 'HEAD~1');
      const head = await git.head(tree);
      assert.ok(head.kind === 'detached' && head.operation === 'rebase' && head.branch === 'feature');
    });
  });

  describe('HEAD that jj moves', () => {
    /** Fields that hold bytes, as protobuf writes them. */
    const message = (...fields: [number, Buffer][]): Buffer =>
      Buffer.concat(fields.flatMap(([field, bytes]) => [Buffer.from([field * 8 + 2, bytes.length]), bytes]));
    const id = (text: string): Buffer => createHash('blake2b512').update(text).digest();

    /** The files of jj 0.45 that tell where the working copy is. */
    const standAt = async (path: string, commit: string, operation: string): Promise<void> => {
      const store = join(path, '.jj', 'repo', 'op_store');
      for (const folder of [
        join(store, 'operations'),
        join(store, 'views'),
        join(path, '.jj', 'working_copy'),
      ])
        await mkdir(folder, { recursive: true });
      const view = message(
        [1, Buffer.from(commit, 'hex')],
        [8, message([1, Buffer.from('other')], [2, id('x').subarray(0, 20)])],
        [8, message([1, Buffer.from('default')], [2, Buffer.from(commit, 'hex')])],
      );
      await writeFile(join(store, 'views', id(`view ${operation}`).toString('hex')), view);
      const content = message([1, id(`view ${operation}`)], [2, id('parent')]);
      await writeFile(join(store, 'operations', id(operation).toString('hex')), content);
      const written = join(path, '.jj', 'working_copy', 'written');
      await writeFile(written, message([2, id(operation)], [3, Buffer.from('default')]));
      await rename(written, join(path, '.jj', 'working_copy', 'checkout'));
    };
    /** As after each command of jj: the working copy is a commit of its own, and HEAD is at the one before. */
    const work = async (person: Person, operation: string): Promise<string> => {
      const tree = await place.run(person.path, 'write-tree');
      const commit = await place.run(person.path, 'commit-tree', tree, '-p', 'HEAD', '-m', operation);
      await standAt(person.path, commit, operation);
      return commit;
    };

    it('is on the bookmark of the working copy, else on the nearest one before it', async () => {
      const { person, tree } = await repository();
      const trunk = await place.run(person.path, 'rev-parse', 'HEAD');
      await place.run(person.path, 'checkout', '--quiet', '--detach');
      const first = await work(person, 'first');
      assert.deepEqual(await git.head(tree), {
        kind: 'branch',
        branch: 'main',
        commit: trunk,
        operation: null,
      });
      await place.run(person.path, 'update-ref', 'refs/heads/feature/a', first);
      assert.deepEqual(await git.head(tree), {
        kind: 'branch',
        branch: 'feature/a',
        commit: trunk,
        operation: null,
      });
      await place.run(person.path, 'update-ref', '--no-deref', 'HEAD', first);
      await work(person, 'second');
      assert.deepEqual(await git.head(tree), {
        kind: 'branch',
        branch: 'feature/a',
        commit: first,
        operation: null,
      });
      await place.run(person.path, 'update-ref', '--no-deref', 'HEAD', trunk);
      await work(person, 'third');
      assert.deepEqual(await git.head(tree), {
        kind: 'branch',
        branch: 'main',
        commit: trunk,
        operation: null,
      });
      await place.run(person.path, 'update-ref', 'refs/heads/zebra', trunk);
      const head = await git.head(tree);
      assert.ok(head.kind === 'branch' && head.branch === 'zebra');
    });

    it('is of no commit in particular without a bookmark, also before the first commit', async () => {
      const { person, tree } = await repository();
      const commit = await place.run(person.path, 'rev-parse', 'HEAD');
      await place.run(person.path, 'checkout', '--quiet', '--detach');
      await place.run(person.path, 'update-ref', '-d', 'refs/heads/main');
      await work(person, 'first');
      const bare = { kind: 'detached', operation: null, branch: null, tool: 'jj' };
      assert.deepEqual(await git.head(tree), { ...bare, commit });
      await writeFile(join(person.path, '.git', 'HEAD'), 'ref: refs/jj/root\n');
      assert.deepEqual(await git.head(tree), { ...bare, commit: '0'.repeat(40) });
    });

    it('is read from what Git knows where the files of jj are other ones', async () => {
      const { person, tree } = await repository();
      await place.run(person.path, 'checkout', '--quiet', '--detach');
      await mkdir(join(person.path, '.jj', 'working_copy'), { recursive: true });
      for (const content of ['', '\xff\xff', 'text', message([2, id('gone')], [3, Buffer.from('default')])]) {
        await writeFile(join(person.path, '.jj', 'working_copy', 'checkout'), content);
        const head = await git.head(tree);
        assert.ok(head.kind === 'branch' && head.branch === 'main');
      }
    });

    it('is told anew when only a bookmark moved', async () => {
      const { person, tree } = await repository();
      await place.run(person.path, 'checkout', '--quiet', '--detach');
      const commit = await work(person, 'first');
      const following = await follow(git, tree);
      await place.run(person.path, 'update-ref', 'refs/heads/feature', commit);
      await standAt(person.path, commit, 'bookmark');
      await following.until((head) => head.kind === 'branch' && head.branch === 'feature');
      following.watch.close();
    });
  });

  describe('watching', () => {
    it('misses none of many checkouts in a row, and ends at the last', async () => {
      const { person, tree } = await repository();
      const { until, watch } = await follow(git, tree);
      for (let turn = 0; turn < 40; turn++) await person.checkout(turn % 2 === 0 ? 'one' : 'two');
      await person.checkout('last');
      await until((head) => placeOf(head) === 'last');
      watch.close();
    });

    it('agrees with Git after whatever was done', async () => {
      const seed = chooseSeed();
      console.log(`      THIN_CLONES_SEED=${seed}`);
      const random = seeded(seed);
      const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)] ?? 'main';
      const { person, tree } = await repository();
      const branches = ['main', 'one', 'two', 'deep/er/three', '-dash'];
      for (const branch of branches.slice(1))
        await place.run(person.path, 'update-ref', `refs/heads/${branch}`, 'main');
      const run = (...args: string[]): Promise<unknown> =>
        place.run(person.path, ...args).catch(() => undefined);
      const deeds: Record<string, () => Promise<unknown>> = {
        checkout: () => run('switch', '--quiet', '--force', '--end-of-options', pick(branches)),
        orphan: () => run('symbolic-ref', 'HEAD', `refs/heads/new-${Math.floor(random() * 1e6)}`),
        detach: () => run('checkout', '--quiet', '--force', '--detach', pick(['main', 'HEAD', 'HEAD~1'])),
        commit: () => run('commit', '--quiet', '--allow-empty', '--message', 'more'),
        reset: () => run('reset', '--quiet', '--hard', 'main'),
        pack: () => run('pack-refs', '--all', '--prune'),
        rebase: () => run('rebase', '--quiet', pick(['--merge', '--apply']), 'main'),
        stop: () => run('rebase', '--quiet', '--exec', 'false', 'HEAD~1'),
        abort: () => run('rebase', '--abort'),
        bisect: () => run('bisect', 'start', 'HEAD', 'HEAD~2'),
        back: () => run('bisect', 'reset'),
        rename: () => run('branch', '--move', '--force', 'one', 'one'),
      };
      const { until, watch } = await follow(git, tree);
      for (let turn = 0; turn < 60; turn++) {
        const deed = pick(Object.keys(deeds));
        await deeds[deed]?.();
        const ref = await place.run(person.path, 'symbolic-ref', '--quiet', 'HEAD').catch(() => null);
        const commit = await place
          .run(person.path, 'rev-parse', '--verify', '--quiet', 'HEAD')
          .catch(() => null);
        const told = await until(
          (head) =>
            head.kind !== 'unreadable' &&
            head.commit === commit &&
            (head.kind === 'branch' ? `refs/heads/${head.branch}` === ref : ref === null),
        );
        assert.notEqual(told.kind, 'unreadable', `${deed} in turn ${turn}`);
      }
      watch.close();
    });

    it('notices each of many removals and returns', async () => {
      const { person } = await repository();
      const path = `${person.path}-linked`;
      await person.addWorktree(path, 'feature');
      const { until, watch } = await follow(git, await located(git, path));
      for (let turn = 0; turn < 20; turn++) {
        await person.removeWorktree(path);
        await until((head) => head.kind === 'unreadable');
        await person.addWorktree(path, 'feature');
        await until((head) => placeOf(head) === 'feature');
      }
      watch.close();
    });

    it('notices that a working tree was removed by hand, and a repository made anew', async () => {
      const { person, tree } = await repository();
      const other = await person.addWorktree(`${person.path}-linked`, 'feature');
      const linked = await follow(git, await located(git, other.path));
      await rm(other.path, { recursive: true });
      await linked.until((head) => head.kind === 'unreadable');
      linked.watch.close();

      const { until, watch } = await follow(git, tree);
      await rm(person.path, { recursive: true });
      await until((head) => head.kind === 'unreadable');
      const again = await place.repository(person.path);
      await until((head) => placeOf(head) === 'main');
      await again.commit();
      await until((head) => head.kind === 'branch' && head.commit !== null);
      await again.checkout('feature');
      await until((head) => placeOf(head) === 'feature');
      watch.close();
    });

    it('begins on a tree that is gone and is there when it comes back', async () => {
      const { person } = await repository();
      const path = `${person.path}-linked`;
      const linked = await located(git, (await person.addWorktree(path, 'feature')).path);
      await person.removeWorktree(path);
      const { until, watch } = await follow(git, linked);
      await until((head) => head.kind === 'unreadable');
      await person.addWorktree(path, 'feature');
      await until((head) => placeOf(head) === 'feature');
      watch.close();
    });

    for (const [limit, refusal] of [
      ['max_inotify_watches', 'ENOSPC'],
      ['max_inotify_instances', 'EMFILE'],
    ] as const) {
      it(`is told of a move also where the system has no ${limit} left`, async function () {
        // A user namespace has limits of its own.
        const enter = ['--user', '--map-root-user', 'sh', '-c'];
        const set = `echo 0 > /proc/sys/user/${limit}`;
        if (process.platform !== 'linux' || spawnSync('unshare', [...enter, set]).status !== 0)
          skipSuite(this, 'no user namespace can be made here');
        const { person } = await repository();
        const script = join(import.meta.dirname, 'watchChild.ts');
        const child = spawn(
          'unshare',
          [...enter, `${set}; exec "$@"`, 'sh', process.execPath, script, person.path],
          { env: place.environment, stdio: ['ignore', 'pipe', 'inherit'] },
        );
        const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
        assert.equal((await lines.next()).value, `watching, refused: ${refusal}`);
        await place.run(person.path, 'checkout', '--quiet', '-b', 'elsewhere');
        assert.equal((await lines.next()).value, 'moved');
        await once(child, 'exit');
      });
    }

    it('finds by looking again what no watch can tell: that a folder above was moved and put back', async () => {
      const looking = createLocalGit({ environment: place.environment, lookAgainMs: 20 });
      const above = newPath();
      await mkdir(above);
      const person = await place.repository(join(above, 'inner'));
      await person.commit();
      const tree = await located(looking, person.path);
      const { until, watch } = await follow(looking, tree);
      await rename(above, `${above}-moved`);
      await until((head) => head.kind === 'unreadable');
      await rename(`${above}-moved`, above);
      await until((head) => placeOf(head) === 'main');
      await person.checkout('feature');
      await until((head) => placeOf(head) === 'feature');
      watch.close();
    });
  });

  describe('what counts as merged', () => {
    /** What `feature` is merged into, in the eyes of the report. */
    const told = async (tree: WorkingTree, branch = 'feature'): Promise<string | null | undefined> =>
      (await git.branches(tree)).branches.find(({ name }) => name === branch)?.mergedInto;

    it('is a branch with work, whether by a merge or by moving main forward', async () => {
      const { person, tree } = await repository();
      await person.checkout('feature');
      await person.commit();
      await person.checkout('main');
      assert.equal(await told(tree), null);
      await place.run(person.path, 'merge', '--quiet', '--ff-only', 'feature');
      assert.equal(await told(tree), 'main');
    });

    it('is not a fresh branch, nor one that was only moved along with main', async () => {
      const { person, tree } = await repository();
      await person.checkout('feature');
      await person.checkout('main');
      await person.commit();
      assert.equal(await told(tree), null);
      await person.checkout('feature');
      await place.run(person.path, 'merge', '--quiet', '--ff-only', 'main');
      await person.checkout('main');
      assert.equal(await told(tree), null);
    });

    it('is not a branch whose work was thrown away', async () => {
      const { person, tree } = await repository();
      await person.checkout('feature');
      await person.commit();
      await place.run(person.path, 'reset', '--quiet', '--hard', 'main');
      await person.checkout('main');
      assert.equal(await told(tree), null);
    });

    it('is a branch whose work was rebased before it was merged, and one that moved on with main after', async () => {
      const { person, tree } = await repository();
      await person.checkout('feature');
      await place.run(person.path, 'commit', '--quiet', '--allow-empty', '--message', 'empty');
      await person.checkout('main');
      await person.commit();
      await person.checkout('feature');
      await place.run(person.path, 'rebase', '--quiet', 'main');
      await person.checkout('main');
      await person.merge('feature');
      assert.equal(await told(tree), 'main');
      await person.commit();
      await person.checkout('feature');
      await place.run(person.path, 'merge', '--quiet', '--ff-only', 'main');
      await person.checkout('main');
      assert.equal(await told(tree), 'main');
    });

    it('is judged by the remote too, as it was when last fetched', async () => {
      const { person, tree } = await repository();
      await person.push('main');
      await person.checkout('feature');
      await person.commit();
      await person.push('feature');
      const elsewhere = newPath();
      await place.run(place.folder, 'clone', '--quiet', `${person.path}-remote`, elsewhere);
      await place.run(elsewhere, 'merge', '--quiet', '--no-ff', '--no-edit', 'origin/feature');
      await place.run(elsewhere, 'push', '--quiet', 'origin', 'main');
      assert.equal(await told(tree), null);
      await place.run(person.path, 'fetch', '--quiet');
      assert.equal(await told(tree), 'origin/main');
      assert.equal((await git.branches(tree)).defaultBranch, 'main');
    });

    it('is a branch of somebody else that was only fetched, once it came in by a merge', async () => {
      const { person } = await repository();
      await person.push('main');
      await person.checkout('feature');
      await person.commit();
      await person.push('feature');
      const path = newPath();
      await place.run(place.folder, 'clone', '--quiet', `${person.path}-remote`, path);
      await place.run(path, 'branch', '--quiet', '--track', 'feature', 'origin/feature');
      const tree = await located(git, path);
      assert.equal(await told(tree), null);
      await place.run(path, 'merge', '--quiet', '--no-ff', '--no-edit', 'feature');
      assert.equal(await told(tree), 'main');
    });

    it('is not a branch whose upstream has work that is not here', async () => {
      const { person, tree } = await repository();
      await person.push('main');
      await person.checkout('feature');
      await person.commit();
      await person.commit();
      await person.push('feature');
      await place.run(person.path, 'reset', '--quiet', '--hard', 'HEAD~1');
      await person.checkout('main');
      await person.merge('feature');
      assert.equal(await told(tree), null);
    });

    it('is nothing when nothing tells which branch is the default one', async () => {
      const { person, tree } = await repository();
      await person.checkout('feature');
      await person.commit();
      await person.checkout('main');
      await person.merge('feature');
      await person.rename('main', 'somewhere');
      assert.equal((await git.branches(tree)).defaultBranch, null);
      assert.equal(await told(tree), null);
    });
  });

  it('tells working trees that are gone from those that are locked', async () => {
    const { person, tree } = await repository();
    for (const name of ['gone', 'locked']) {
      const other = await person.addWorktree(`${person.path}-${name}`, name);
      if (name === 'locked') await place.run(person.path, 'worktree', 'lock', other.path);
      await rm(other.path, { recursive: true });
    }
    const { worktrees } = await git.branches(tree);
    assert.deepEqual(
      worktrees.slice(1).sort((a, b) => (a.path < b.path ? -1 : 1)),
      [
        { path: `${person.path}-gone`, branch: 'gone', isGone: true },
        { path: `${person.path}-locked`, branch: 'locked', isGone: false },
      ],
    );
  });

  it('reports on a repository from a working tree of it that is gone', async () => {
    const { person } = await repository();
    const other = await person.addWorktree(`${person.path}-linked`, 'feature');
    const linked = await located(git, other.path);
    await person.removeWorktree(other.path);
    const { branches } = await git.branches(linked);
    assert.deepEqual(branches.map(({ name }) => name).sort(), ['feature', 'main']);
  });

  it('never answers for the repository around one that is damaged', async () => {
    const { person: outer } = await repository();
    const inner = join(outer.path, 'inner');
    await place.run(outer.path, 'init', '--quiet', inner);
    await place.run(inner, 'commit', '--quiet', '--allow-empty', '--message', 'first');
    await place.run(inner, 'branch', 'feature');
    const tree = await located(git, inner);
    assert.equal((await git.branches(tree)).branches.length, 2);
    await unlink(join(inner, '.git', 'HEAD'));
    const repositoryAlone: WorkingTree = { ...tree, path: tree.commonDirectory };
    const refused = (error: unknown): boolean => isFailure(error, 'git_failed');
    await assert.rejects(git.branches(tree), refused);
    await assert.rejects(git.branches(repositoryAlone), refused);
    await assert.rejects(git.isTracked(tree, 'a.env'), refused);
    await rm(join(inner, '.git'), { recursive: true });
    await mkdir(join(inner, '.git'));
    await assert.rejects(git.branches(tree), refused);
  });

  it('knows no default branch, branches or names of a repository without commits', async () => {
    const person = await place.repository(newPath());
    const tree = await located(git, person.path);
    assert.deepEqual(await git.branches(tree), {
      defaultBranch: null,
      branches: [],
      worktrees: [{ path: person.path, branch: 'main', isGone: false }],
    });
    assert.deepEqual(await git.formerNames(tree, 'main'), []);
  });

  it('lets a repository run nothing, fetch nothing and change nothing by being read', async () => {
    const { person, tree } = await repository();
    await person.checkout('feature');
    await person.commit();
    await person.checkout('main');
    await person.merge('feature');
    const ran = join(place.folder, `ran-${number}`);
    const program = join(place.folder, `program-${number}`);
    await writeFile(program, `#!/bin/sh\necho "$0 $*" >>'${ran}'\n`, { mode: 0o755 });
    const hooks = join(tree.gitDirectory, 'poisoned-hooks');
    await mkdir(hooks);
    for (const hook of ['post-index-change', 'reference-transaction', 'fsmonitor-watchman'])
      await symlink(program, join(hooks, hook));
    const poison: Record<string, string> = {
      'core.fsmonitor': program,
      'core.hooksPath': hooks,
      'core.pager': program,
      'core.sshCommand': program,
      'core.editor': program,
      'core.askPass': program,
      'core.gitProxy': program,
      'core.alternateRefsCommand': program,
      'diff.external': program,
      'pager.log': program,
      'pager.for-each-ref': program,
      'log.showSignature': 'true',
      'gpg.program': program,
      'alias.ls-files': `!${program}`,
      'alias.rev-list': `!${program}`,
      'extensions.partialClone': 'origin',
      'remote.origin.promisor': 'true',
      'remote.origin.url': `ext::${program}`,
      'remote.origin.uploadpack': program,
      'protocol.ext.allow': 'always',
      'protocol.allow': 'always',
    };
    for (const [key, value] of Object.entries(poison)) await place.run(person.path, 'config', key, value);
    // A branch log that tells of a commit that is missing here: a partial clone would fetch it.
    const log = join(tree.gitDirectory, 'logs', 'refs', 'heads', 'feature');
    const missing = '1'.repeat(40);
    await writeFile(log, `${missing} ${missing} A <a@b> 1700000000 +0000\tcommit: gone\n`);

    const everything = (): string[] =>
      readdirSync(person.path, { recursive: true, encoding: 'utf8' }).map((name) => {
        const { mtimeNs, size } = lstatSync(join(person.path, name), { bigint: true });
        return `${name} ${mtimeNs} ${size}`;
      });
    const before = everything();
    assert.deepEqual(await git.locate(person.path), tree);
    await git.head(tree);
    const { branches } = await git.branches(tree);
    assert.equal(branches.find(({ name }) => name === 'feature')?.mergedInto, null);
    await git.formerNames(tree, 'feature');
    assert.equal(await git.isTracked(tree, 'line'), true);
    assert.equal(await git.isIgnored(tree, 'line'), false);
    assert.equal(existsSync(ran), false, 'no program was run');
    assert.deepEqual(everything(), before);
  });
});
