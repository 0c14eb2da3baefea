import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blockEnd, blockStart } from '../../../engine/config/envBlock.ts';
import { writeBlock } from '../../../engine/config/envFile.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';

describe('a file with variables in a working tree', () => {
  let folder: string;
  let tree: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thin-clones-env-file-'));
    tree = join(folder, 'tree');
    await mkdir(tree);
  });
  afterEach(async () => {
    await chmod(tree, 0o755);
    await rm(folder, { recursive: true });
  });
  const variables = { PGPORT: '5432' };
  const block = `${blockStart}\nPGPORT=5432\n${blockEnd}\n`;
  const read = (file = '.env') => readFile(join(tree, file), 'utf8');
  const refused = async (file: string, given: Record<string, string> | null = variables): Promise<string> => {
    const before = await readdir(tree);
    const error: unknown = await writeBlock(tree, file, given).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(isFailure(error, 'env_file_failed'), String(error));
    assert.equal(error.document.details.file, file);
    assert.deepEqual(await readdir(tree), before);
    return String(error.document.details.problem);
  };

  it('has no block any more when its working tree or folder is gone', async () => {
    assert.equal(await writeBlock(tree, 'app/.env', null), 'unchanged');
    assert.equal(await writeBlock(join(folder, 'gone'), '.env', null), 'unchanged');
  });

  it('is made for its owner only', async () => {
    assert.equal(await writeBlock(tree, '.env', variables), 'written');
    assert.equal(await read(), block);
    assert.equal((await lstat(join(tree, '.env'))).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(tree), ['.env']);
  });
  it('is not touched when it is right', async () => {
    await writeBlock(tree, '.env', variables);
    const { mtimeMs, ino } = await lstat(join(tree, '.env'));
    assert.equal(await writeBlock(tree, '.env', variables), 'unchanged');
    const after = await lstat(join(tree, '.env'));
    assert.deepEqual([after.mtimeMs, after.ino], [mtimeMs, ino]);
  });
  it('keeps its mode and its other lines, byte for byte', async () => {
    const text = '\ufeffA="1"\r\n\r\nB=ä';
    await writeFile(join(tree, '.env'), text, { mode: 0o640 });
    await chmod(join(tree, '.env'), 0o640);
    assert.equal(await writeBlock(tree, '.env', variables), 'written');
    assert.ok((await read()).startsWith(text));
    assert.equal((await lstat(join(tree, '.env'))).mode & 0o777, 0o640);
    assert.equal(await writeBlock(tree, '.env', null), 'written');
    assert.equal(await read(), text);
  });
  it('keeps its owner', async function () {
    if (process.getuid?.() !== 0) this.skip();
    await writeFile(join(tree, '.env'), '');
    await chown(join(tree, '.env'), 12_345, 23_456);
    await writeBlock(tree, '.env', variables);
    const { uid, gid } = await lstat(join(tree, '.env'));
    assert.deepEqual([uid, gid], [12_345, 23_456]);
  });
  it('may lie in a folder of the tree, which has to be there', async () => {
    assert.equal(await refused('config/.env'), 'there is no folder config');
    await mkdir(join(tree, 'config'));
    assert.equal(await writeBlock(tree, 'config/.env', variables), 'written');
    assert.equal(await read('config/.env'), block);
  });
  it('need not be there, or have the block, for that to be taken out', async () => {
    assert.equal(await writeBlock(tree, '.env', null), 'unchanged');
    await writeFile(join(tree, '.env'), 'A=1');
    assert.equal(await writeBlock(tree, '.env', null), 'unchanged');
    assert.equal(await read(), 'A=1');
  });

  it('is never a symbolic link, wherever that leads', async () => {
    await writeFile(join(folder, 'outside'), 'theirs');
    await writeFile(join(tree, 'inside'), 'mine');
    for (const target of ['../outside', 'inside', 'nowhere', '.env']) {
      await symlink(target, join(tree, '.env'));
      assert.equal(await refused('.env'), 'it is a symbolic link');
      assert.equal(await refused('.env', null), 'it is a symbolic link');
      await rm(join(tree, '.env'));
    }
    assert.equal(await readFile(join(folder, 'outside'), 'utf8'), 'theirs');
    assert.equal(await read('inside'), 'mine');
  });
  it('never lies behind a symbolic link', async () => {
    await mkdir(join(folder, 'elsewhere'));
    await symlink('../elsewhere', join(tree, 'config'));
    assert.equal(await refused('config/.env'), 'config is a symbolic link');
    assert.deepEqual(await readdir(join(folder, 'elsewhere')), []);
  });
  for (const file of ['../.env', '..', '.', 'a/../../.env', '/etc/passwd', '']) {
    it(`is not ${JSON.stringify(file)}, which is outside the tree`, async () => {
      assert.equal(await refused(file), 'it is not inside the working tree');
    });
  }
  for (const file of ['.git', '.git/config', '.GIT/hooks/post-checkout', 'sub/.git/config']) {
    it(`is not ${file}, which is Git's`, async () => {
      assert.equal(await refused(file), 'it is inside the Git directory');
    });
  }
  it('is no folder, no named pipe, and not inside a file', async () => {
    await mkdir(join(tree, 'folder'));
    execFileSync('mkfifo', [join(tree, 'pipe')]);
    await writeFile(join(tree, 'file'), '');
    assert.equal(await refused('folder'), 'it is a folder');
    assert.equal(await refused('pipe'), 'it is no regular file');
    assert.equal(await refused('file/.env'), 'file is no folder');
  });
  it('stays as it is when it is read-only, or its folder is', async () => {
    await writeFile(join(tree, '.env'), 'A=1\n');
    await chmod(join(tree, '.env'), 0o444);
    assert.equal(await refused('.env'), 'it is read-only');
    await chmod(join(tree, '.env'), 0o644);
    await chmod(tree, 0o555);
    assert.equal(await refused('.env'), 'its folder is read-only');
    assert.equal(await refused('other.env'), 'its folder is read-only');
    assert.equal(await read(), 'A=1\n');
  });
  it('is not huge', async () => {
    await writeFile(join(tree, '.env'), '#'.repeat(1_000_001));
    assert.equal(await refused('.env'), 'it has 1000001 bytes, and at most 1000000 are read');
  });
  it('is UTF-8', async () => {
    const bytes = Buffer.from([0x41, 0x3d, 0xff, 0xfe]);
    await writeFile(join(tree, '.env'), bytes);
    assert.equal(await refused('.env'), 'it is no UTF-8 text');
    assert.deepEqual(await readFile(join(tree, '.env')), bytes);
  });
  it('is left alone when its block is damaged', async () => {
    await writeFile(join(tree, '.env'), `A=1\n${blockStart}\nB=2\n`);
    assert.match(await refused('.env'), /^the thin-clones block that begins in line 2 has no end mark/);
    assert.match(await refused('.env', null), /no end mark/);
    assert.equal(await read(), `A=1\n${blockStart}\nB=2\n`);
  });
  it('has an end in a tree that is gone', async () => {
    const error: unknown = await writeBlock(join(tree, 'gone'), '.env', variables).catch(
      (reason: unknown) => reason,
    );
    assert.ok(isFailure(error, 'env_file_failed'));
  });
  it('is whole at every moment, for whoever reads it while others write it', async () => {
    await writeFile(join(tree, '.env'), 'A=1\n');
    const writing = new AbortController();
    const seen = new Set<string>();
    const reading = (async () => {
      while (!writing.signal.aborted) seen.add(await read());
    })();
    const write = async (port: number) => {
      for (let round = 0; round < 20; round++)
        await writeBlock(tree, '.env', { PGPORT: String(port + round) });
    };
    // Each of them may meet the other's change so often that it says so, never more than that.
    const ended = await Promise.allSettled([write(1000), write(2000)]);
    writing.abort();
    await reading;
    for (const each of ended)
      if (each.status === 'rejected') assert.match(String(each.reason), /another program keeps changing it/);
    for (const text of seen) assert.match(text, /^A=1\n(# >>> [^\n]+\nPGPORT=\d{4}\n# <<< thin-clones\n)?$/);
    assert.deepEqual(await readdir(tree), ['.env']);
  });
  it('loses what an engine that was killed had left beside it, and nothing else', async () => {
    const old = new Date(Date.now() - 3_600_000);
    for (const name of ['.env.thin-clones-0123456789abcdef', '.env.thin-clones-mine', '.env.local']) {
      await writeFile(join(tree, name), 'x');
      await utimes(join(tree, name), old, old);
    }
    await writeFile(join(tree, '.env.thin-clones-fedcba9876543210'), 'of another engine, just now');
    await writeBlock(tree, '.env', variables);
    assert.deepEqual((await readdir(tree)).sort(), [
      '.env',
      '.env.local',
      '.env.thin-clones-fedcba9876543210',
      '.env.thin-clones-mine',
    ]);
  });
});
