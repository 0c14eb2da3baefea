import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { asUnprivileged } from '../../support/unprivileged.ts';
import { createLocalFiles } from '../../../engine/migrations/local/localFiles.ts';

describe('files of a checkout on this machine', () => {
  let root: string;
  let outside: string;
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'tc-files-'));
    outside = await mkdtemp(path.join(tmpdir(), 'tc-outside-'));
  });
  afterEach(async () => {
    for (const folder of [root, outside]) await rm(folder, { recursive: true, force: true });
  });
  const put = async (...paths: string[]): Promise<void> => {
    for (const each of paths) {
      await mkdir(path.join(root, path.dirname(each)), { recursive: true });
      await writeFile(path.join(root, each), each);
    }
  };
  const listed = async (options: object = {}, also?: string[]) => {
    const found = await createLocalFiles({ root, ...options }).list(also === undefined ? {} : { also });
    return { ...found, paths: [...found.paths].sort() };
  };

  it('are listed without dependencies, build results and folders with a dot', async () => {
    await put('a.txt', 'db/migrate/1_a.rb', '.sequelizerc');
    await put(
      'node_modules/x/1.sql',
      'dist/1.sql',
      'sub/target/1.sql',
      '.git/HEAD',
      '.venv/x.py',
      'vendor/x.sql',
    );
    const found = await listed();
    assert.deepEqual(found.paths, ['.sequelizerc', 'a.txt', 'db/migrate/1_a.rb']);
    assert.equal(found.truncated, false);
  });

  it('are listed where the settings ask for them', async () => {
    await put('dist/migrations/1.sql', 'dist/other/2.sql', '.db/3.sql');
    assert.deepEqual((await listed({}, ['dist/migrations', './.db/'])).paths, [
      '.db/3.sql',
      'dist/migrations/1.sql',
    ]);
  });

  it('are listed up to a number and a depth, and that is told', async () => {
    await put(...Array.from({ length: 30 }, (_, index) => `many/${index}.txt`), 'a/b/c/d.txt');
    assert.equal((await listed({ maxEntries: 20 })).truncated, true);
    const shallow = await listed({ maxDepth: 2 });
    assert.equal(shallow.truncated, true);
    assert.equal(shallow.paths.includes('a/b/c/d.txt'), false);
    assert.equal((await listed()).truncated, false);
  });

  it('behind links are listed inside of the checkout, and told outside of it', async () => {
    await put('real/1.sql');
    await writeFile(path.join(outside, 'secret.sql'), 'secret');
    await symlink(path.join(root, 'real'), path.join(root, 'linked'));
    await symlink('1.sql', path.join(root, 'real', 'same.sql'));
    await symlink(outside, path.join(root, 'away'));
    await symlink(path.join(outside, 'secret.sql'), path.join(root, 'away.sql'));
    await symlink('nowhere', path.join(root, 'broken'));
    // Dependencies that several working trees share: nothing in them would be read.
    await symlink(outside, path.join(root, 'node_modules'));
    const found = await listed();
    assert.deepEqual(found.paths, ['linked/1.sql', 'linked/same.sql', 'real/1.sql', 'real/same.sql']);
    assert.deepEqual(found.notFollowed.map(({ path: each }) => each).sort(), ['away', 'away.sql']);
    const asked = await createLocalFiles({ root }).list({ also: ['node_modules/migrations'] });
    assert.ok(asked.notFollowed.some(({ path: each }) => each === 'node_modules'));
  });

  it('end although a link leads to a folder above it', async () => {
    await put('a/b/1.sql');
    await symlink(root, path.join(root, 'a', 'b', 'up'));
    await symlink('../..', path.join(root, 'a', 'b', 'up2'));
    assert.deepEqual((await listed()).paths, ['a/b/1.sql']);
  });

  it('of other working trees and repositories inside are left out, those of submodules are not', async () => {
    await put('worktrees/x/1.sql', 'nested/2.sql', 'module/3.sql');
    await writeFile(path.join(root, 'worktrees/x/.git'), 'gitdir: /repo/.git/worktrees/x\n');
    await mkdir(path.join(root, 'nested/.git'));
    await writeFile(path.join(root, 'module/.git'), 'gitdir: ../.git/modules/module\n');
    assert.deepEqual((await listed()).paths, ['module/.git', 'module/3.sql']);
  });

  it('are read, but not through a link that leads out, and not when they are too large', async () => {
    await put('1.sql');
    await writeFile(path.join(outside, 'secret.sql'), 'secret');
    await symlink(path.join(outside, 'secret.sql'), path.join(root, 'away.sql'));
    const files = createLocalFiles({ root, maxBytes: 10 });
    assert.equal(Buffer.from(await files.read('1.sql')).toString(), '1.sql');
    await assert.rejects(files.read('away.sql'), /leads out of the checkout/);
    await assert.rejects(files.read('../x'), /ENOENT|leads out/);
    await writeFile(path.join(root, 'large.sql'), 'x'.repeat(11));
    await assert.rejects(files.read('large.sql'), /larger than/);
  });

  it('are not waited for when they are pipes', async function () {
    if (process.platform === 'win32') this.skip();
    await promisify(execFile)('mkfifo', [path.join(root, 'pipe.sql')]);
    assert.deepEqual((await listed()).paths, []);
    await assert.rejects(createLocalFiles({ root }).read('pipe.sql'), /no file/);
  });

  it('in a folder that can not be read are told', async function () {
    if (process.platform === 'win32') this.skip();
    await put('closed/1.sql', 'open/2.sql');
    await chmod(path.join(root, 'closed'), 0);
    const found = await asUnprivileged(root, () => listed());
    await chmod(path.join(root, 'closed'), 0o700);
    assert.deepEqual(found.paths, ['open/2.sql']);
    assert.deepEqual(
      found.notFollowed.map(({ path: each }) => each),
      ['closed'],
    );
  });
});
