/** Repositories, branches and files of a checkout that are odd, damaged or gone: no clone for what is no branch, one for whatever is. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneNameOf } from '../../engine/domain/branches.ts';
import type { Checkout, Connection } from '../../engine/protocol/entities.ts';
import {
  ask,
  openFilledCheckoutWorld,
  refusal,
  writeMark,
  writeWorkspace,
  type CheckoutWorld,
} from './checkoutWorld.ts';
import { codeOf, environment, origin, patienceMs } from './world.ts';

const long = `${'a'.repeat(120)}/${'b'.repeat(129)}`;

describe('checkouts of odd repositories', function () {
  this.timeout(120_000);
  let checkouts: CheckoutWorld;
  let folder: string;
  let checkout: Checkout;
  let login: Connection;
  let numbers = 0;
  const git = (...args: string[]): Promise<string> => checkouts.git(folder, ...args);
  const headFile = (): string => join(folder, '.git', 'HEAD');
  /** As Git writes it: all at once. */
  const writeHead = async (text: string): Promise<void> => {
    await writeFile(`${headFile()}.lock`, text);
    await rename(`${headFile()}.lock`, headFile());
  };
  const none = (what: string): Promise<Checkout> =>
    checkouts.until(checkout, what, ({ state }) => state === 'none');
  const branches = async (): Promise<(string | null)[]> =>
    (await checkouts.clones()).map(({ branch }) => branch).toSorted();

  before(async () => {
    checkouts = await openFilledCheckoutWorld();
  });
  after(() => checkouts.dispose());
  beforeEach(async () => {
    folder = await checkouts.repository(`odd-${++numbers}`, ['main', 'feature']);
    checkout = await checkouts.open(folder);
    await checkouts.ready(checkout, 'main');
    login = await checkouts.login(checkout);
    await writeMark(login, 'main');
  });
  afterEach(async () => {
    await checkouts.clear();
    await checkouts.world.checkNothingLeft();
  });

  for (const branch of [
    '-x',
    '--upload-pack=touch',
    'пример/ветка-分支-é',
    'e\u0301',
    '@',
    'a$(b);c',
    "it's",
    'x-',
  ])
    it(`give branch ${branch} a clone of its own, with its name`, async () => {
      await git('update-ref', `refs/heads/${branch}`, 'HEAD');
      await git('symbolic-ref', 'HEAD', `refs/heads/${branch}`);
      const clone = await checkouts.ready(checkout, branch);
      assert.equal(clone.name, cloneNameOf(branch));
      assert.equal((await ask(login)).mark, origin);
      await git('symbolic-ref', 'HEAD', 'refs/heads/main');
      await checkouts.ready(checkout, 'main');
      assert.equal((await ask(login)).mark, 'main');
    });

  it('give a branch of 250 characters a clone', async () => {
    assert.equal(long.length, 250);
    await git('checkout', '--quiet', '-b', long);
    const clone = await checkouts.ready(checkout, long);
    assert.equal(clone.branch, long);
    assert.equal((await ask(login)).mark, origin);
  });

  it('keep branches apart whose names differ only in what names of clones can not have', async () => {
    const names = ['feature-a', 'featurex/a', 'featurex-a', 'featurex_x2F_a'];
    for (const name of names) {
      await git('checkout', '--quiet', '-b', name);
      await checkouts.ready(checkout, name);
      await writeMark(login, name);
    }
    for (const name of names) {
      await git('checkout', '--quiet', name);
      await checkouts.ready(checkout, name);
      assert.equal((await ask(login)).mark, name);
    }
    const found = await checkouts.clones();
    assert.equal(new Set(found.map(({ name }) => name)).size, names.length + 1);
  });

  for (const [what, text] of [
    ['a branch that is called ..', 'ref: refs/heads/..\n'],
    ['a path that leads out of the repository', 'ref: refs/heads/../../../../etc/passwd\n'],
    ['a branch with a blank in it', 'ref: refs/heads/a b\n'],
    ['a tag', 'ref: refs/tags/v1\n'],
    ['nothing at all', ''],
    ['garbage', '\u0000\u0001 nonsense\n'],
    ['half a commit', '0123456789abcdef\n'],
  ] as const)
    it(`lead nowhere when HEAD names ${what}, and back when it is right again`, async () => {
      const right = await readFile(headFile(), 'utf8');
      await writeHead(text);
      const { head, clone } = await none('nothing');
      assert.equal(head.kind, 'unreadable');
      assert.equal(clone, null);
      assert.equal((await refusal(login)).code, '57P03');
      await writeHead(right);
      await checkouts.ready(checkout, 'main');
      assert.equal((await ask(login)).mark, 'main');
      assert.deepEqual(await branches(), ['main']);
    });

  it('give the branch of a repository without commits its clone, which stays with the first commit', async () => {
    const fresh = join(checkouts.place.folder, `fresh-${++numbers}`);
    await mkdir(fresh);
    await checkouts.git(fresh, 'init', '--quiet', '--initial-branch', 'begin');
    await writeWorkspace(fresh, 'automatic');
    const found = await checkouts.open(fresh);
    const { id } = await checkouts.ready(found, 'begin');
    await checkouts.git(fresh, 'add', '.');
    await checkouts.git(fresh, 'commit', '--quiet', '--message', 'first');
    await checkouts.until(found, 'the commit', ({ head }) => head.kind === 'branch' && head.commit !== null);
    assert.equal((await checkouts.ready(found, 'begin')).id, id);
  });

  it('give a branch that does not exist yet its clone, and none to a HEAD without a branch', async () => {
    await git('checkout', '--quiet', '--orphan', 'later');
    await checkouts.ready(checkout, 'later');
    await git('checkout', '--quiet', '--force', '--detach', 'feature');
    const { reason } = await none('a detached HEAD');
    assert.match(reason ?? '', /detached/);
    assert.match((await refusal(login)).message, /detached/);
    assert.deepEqual(await branches(), ['later', 'main']);
  });

  it('make no clone for a branch on which an operation is under way, and make it when that has ended', async () => {
    await writeFile(join(folder, 'file'), 'one');
    await git('add', 'file');
    await git('commit', '--quiet', '--message', 'one');
    await git('checkout', '--quiet', 'feature');
    await writeFile(join(folder, 'file'), 'two');
    await git('add', 'file');
    await git('commit', '--quiet', '--message', 'two');
    await checkouts.ready(checkout, 'feature');
    await git('branch', 'middle');
    // In one command, so that the branch never stands still.
    await checkouts.place.stop(folder, 'rebase', 'main', 'middle');
    const { reason, head } = await none('the rebase');
    assert.match(reason ?? '', /detached at .* during a rebase|rebase is under way/);
    assert.equal(head.kind, 'detached');
    assert.deepEqual(await branches(), ['feature', 'main']);
    await git('rebase', '--abort');
    await checkouts.ready(checkout, 'middle');
    assert.equal((await ask(login)).mark, origin);
  });

  it('lead nowhere while .git is away, and to the same clone on the same port when it is back', async () => {
    await rename(join(folder, '.git'), join(folder, 'git-away'));
    const { reason } = await none('nothing');
    assert.match(reason ?? '', /gone|no working tree/);
    assert.equal((await refusal(login)).code, '57P03');
    await rename(join(folder, 'git-away'), join(folder, '.git'));
    await checkouts.ready(checkout, 'main');
    assert.equal((await ask(login)).mark, 'main');
    assert.deepEqual(await checkouts.login(checkout), login);
    // And follow on.
    await git('checkout', '--quiet', 'feature');
    await checkouts.ready(checkout, 'feature');
  });

  it('lead nowhere when the whole folder is gone, keep its clones, and lead right when it is made again', async () => {
    await rm(folder, { recursive: true });
    await none('nothing');
    assert.deepEqual(await branches(), ['main']);
    await checkouts.repository(folder.slice(checkouts.place.folder.length + 1), ['main']);
    await checkouts.ready(checkout, 'main');
    assert.equal((await ask(login)).mark, 'main');
  });

  it('are refused for a folder that is in no working tree', async () => {
    const client = await checkouts.world.client();
    for (const path of [checkouts.place.folder, join(folder, '.git'), join(folder, 'nowhere'), '/'])
      assert.equal(
        await codeOf(client.call('checkoutOpen', { body: { folder: path } })),
        'not_a_checkout',
        path,
      );
  });

  it('take a renamed branch for the same one, and a copy of it for another one', async () => {
    const { id } = await checkouts.ready(checkout, 'main');
    await git('branch', '--move', 'main', 'trunk');
    assert.equal((await checkouts.ready(checkout, 'trunk')).id, id);
    assert.equal((await ask(login)).mark, 'main');
    await git('branch', '--copy', 'trunk', 'copy');
    await git('checkout', '--quiet', 'copy');
    assert.notEqual((await checkouts.ready(checkout, 'copy')).id, id);
    assert.equal((await ask(login)).mark, origin);
    // Renamed while another one is checked out, and while no engine runs.
    await checkouts.world.engine.stop();
    await git('branch', '--move', 'trunk', 'stem');
    await git('checkout', '--quiet', 'stem');
    await checkouts.world.connect();
    assert.equal((await checkouts.ready(checkout, 'stem')).id, id);
    assert.equal((await ask(login)).mark, 'main');
  });

  it('take a clone along that is being reset while its branch is renamed', async () => {
    const { id } = await checkouts.ready(checkout, 'main');
    const client = await checkouts.world.client();
    const { job } = await client.call('cloneReset', { params: { clone: id }, body: {} });
    await git('branch', '--move', 'main', 'trunk');
    const clone = await checkouts.ready(checkout, 'trunk');
    assert.equal(clone.id, id);
    assert.equal((await checkouts.world.ended(job)).state, 'succeeded');
    await checkouts.ready(checkout, 'trunk');
    assert.equal((await ask(login)).mark, origin);
    // It is bound to the new name when nothing works on it any more.
    const deadline = performance.now() + patienceMs;
    while ((await branches()).join(' ') !== 'trunk')
      assert.ok(performance.now() < deadline, 'the clone is not bound to the new name');
  });

  it('begin with the present data of the branch before where the file says so, and leave nothing of it behind', async () => {
    await writeWorkspace(folder, 'automatic', ['  branches: { from: { "topic/*": current } }']);
    await checkouts.open(folder);
    await git('checkout', '--quiet', '-b', 'topic/one');
    await checkouts.ready(checkout, 'topic/one');
    assert.equal((await ask(login)).mark, 'main');
    await writeMark(login, 'topic');
    await git('checkout', '--quiet', 'main');
    await checkouts.ready(checkout, 'main');
    assert.equal((await ask(login)).mark, 'main');
    // What is not called so begins with the snapshot.
    await git('checkout', '--quiet', '-b', 'other');
    await checkouts.ready(checkout, 'other');
    assert.equal((await ask(login)).mark, origin);
    await checkouts.clear();
    const client = await checkouts.world.client();
    const left = async (): Promise<number> => (await client.call('snapshotList', {})).items.length;
    const deadline = performance.now() + patienceMs;
    while ((await left()) > 1)
      assert.ok(performance.now() < deadline, 'the snapshot of the beginning is left');
  });

  it('share one clone among branches of a pattern, also when both are there at once', async () => {
    await writeWorkspace(folder, 'automatic', ['  branches: { shared: ["release/*"] }']);
    await checkouts.open(folder);
    await git('checkout', '--quiet', '-b', 'release/1');
    const { id } = await checkouts.ready(checkout, 'release/*');
    await writeMark(login, 'release');
    await git('checkout', '--quiet', '-b', 'release/2');
    await checkouts.until(
      checkout,
      'the branch',
      ({ head }) => head.kind === 'branch' && head.branch === 'release/2',
    );
    assert.equal((await checkouts.ready(checkout, 'release/*')).id, id);
    assert.equal((await ask(login)).mark, 'release');
    assert.deepEqual(await branches(), ['main', 'release/*']);
  });

  it('go on with what thin-clones.yaml said while it is broken, say so, and take up what it says when it is right', async () => {
    const file = join(folder, 'thin-clones.yaml');
    await writeFile(file, 'version: 1\nworkspace: { follow: sometimes }\n');
    await git('checkout', '--quiet', 'feature', '--');
    const { problem } = await checkouts.until(checkout, 'the problem', (found) => found.problem !== null);
    assert.match(problem ?? '', /thin-clones\.yaml|follow/);
    await checkouts.ready(checkout, 'feature');
    assert.equal((await ask(login)).mark, origin);
    await writeWorkspace(folder, 'automatic', ['  branches: { never: ["feature"] }']);
    const told = await checkouts.open(folder);
    assert.equal(told.problem, null);
    await git('checkout', '--quiet', '-b', 'unwanted');
    await checkouts.ready(checkout, 'unwanted');
    await writeWorkspace(folder, 'automatic', ['  branches: { never: ["private/*"] }']);
    await git('checkout', '--quiet', '-b', 'private/mine');
    const { reason } = await none('a branch without a clone');
    assert.match(reason ?? '', /never/);
  });

  it('are left alone where thin-clones.yaml says off', async () => {
    await writeWorkspace(folder, 'off');
    const { state } = await checkouts.open(folder);
    assert.equal(state, 'off');
    await git('checkout', '--quiet', '-b', 'alone');
    await checkouts.until(
      checkout,
      'the branch',
      ({ head }) => head.kind === 'branch' && head.branch === 'alone',
    );
    assert.deepEqual(await branches(), ['main']);
    assert.equal((await refusal(login)).code, '57P03');
  });

  it('write no variables through a symbolic link, into a file that may not be written, or into a tracked one', async () => {
    const client = await checkouts.world.client();
    const params = { checkout: checkout.id };
    const put = (file: string) => codeOf(client.call('checkoutEnvFile', { params, body: { file } }));
    const outside = join(checkouts.place.folder, `outside-${numbers}`);
    await writeFile(outside, 'MINE=1\n');
    await symlink(outside, join(folder, '.env.local'));
    assert.equal(await put('.env.local'), 'env_file_failed');
    assert.equal(await readFile(outside, 'utf8'), 'MINE=1\n');
    await writeFile(join(folder, '.env.test'), 'MINE=1\n');
    await chmod(join(folder, '.env.test'), 0o444);
    assert.equal(await put('.env.test'), 'env_file_failed');
    assert.equal(await readFile(join(folder, '.env.test'), 'utf8'), 'MINE=1\n');
    await writeFile(join(folder, '.env'), 'MINE=1\n');
    await git('add', '.env');
    assert.equal(await put('.env'), 'env_file_tracked');
    assert.equal(await readFile(join(folder, '.env'), 'utf8'), 'MINE=1\n');
    // None of it keeps the ports from leading right.
    assert.equal((await ask(login)).mark, 'main');
  });

  it('keep the file with the variables as it is over every switch', async () => {
    const file = join(folder, '.env');
    await writeFile(file, 'MINE=1\n');
    const client = await checkouts.world.client();
    await client.call('checkoutEnvFile', { params: { checkout: checkout.id }, body: { file: '.env' } });
    const before = await readFile(file, 'utf8');
    assert.match(before, /^MINE=1\n/);
    assert.ok(before.includes(String(login.port)), 'the port');
    await git('checkout', '--quiet', 'feature');
    await checkouts.ready(checkout, 'feature');
    assert.equal(await readFile(file, 'utf8'), before);
    await client.call('checkoutForget', { params: { checkout: checkout.id } });
    assert.equal(await readFile(file, 'utf8'), 'MINE=1\n');
  });

  it('of two repositories with the same branches have databases of their own', async () => {
    const second = await checkouts.repository(`odd-${++numbers}`, ['main', 'feature']);
    const other = await checkouts.open(second);
    const clone = await checkouts.ready(other, 'main');
    assert.notEqual(clone.id, (await checkouts.ready(checkout, 'main')).id);
    assert.match(clone.name, /^main(_x_[0-9]+)?$/);
    const its = await checkouts.login(other);
    assert.notEqual(its.port, login.port);
    assert.equal((await ask(its)).mark, origin);
    assert.equal((await ask(login)).mark, 'main');
    assert.equal(
      (await checkouts.clones()).filter(({ environment: of }) => of === (environment as never)).length,
      2,
    );
  });

  it('of a submodule are of their own', async () => {
    const library = await checkouts.repository(`library-${++numbers}`, ['main']);
    await git('submodule', '--quiet', 'add', library, 'library');
    const inside = await checkouts.open(join(folder, 'library'));
    assert.equal(inside.kind, 'submodule');
    const clone = await checkouts.ready(inside, 'main');
    assert.notEqual(clone.id, (await checkouts.ready(checkout, 'main')).id);
    await git('checkout', '--quiet', 'feature');
    await checkouts.ready(checkout, 'feature');
    assert.equal((await checkouts.show(inside)).clone, clone.id);
  });
});
