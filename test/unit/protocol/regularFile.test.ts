import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  openRegularFile,
  readRegularFile,
  readRegularText,
  UnfitFileError,
  withinPatience,
} from '../../../engine/protocol/node/regularFile.ts';
import { skipSuite } from '../../support/skips.ts';

const unfit =
  (code: UnfitFileError['code'], problem?: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof UnfitFileError, String(error));
    assert.equal(error.code, code);
    if (problem !== undefined) assert.match(error.problem, problem);
    return true;
  };

describe('reading what others own', () => {
  let folder: string;
  before(async function () {
    if (process.platform === 'win32') skipSuite(this, 'Windows has no pipes among files');
    folder = await mkdtemp(join(tmpdir(), 'thin-clones-regular-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('reads a file, an empty one, and one whose size the kernel does not tell', async () => {
    await writeFile(join(folder, 'a'), 'héllo');
    await writeFile(join(folder, 'empty'), '');
    assert.equal(await readRegularText(join(folder, 'a'), { links: 'refused' }), 'héllo');
    assert.equal(await readRegularText(join(folder, 'empty'), { links: 'refused' }), '');
    if (process.platform !== 'linux') return;
    const variables = await readRegularText('/proc/self/environ', { links: 'refused' });
    assert.ok(variables.includes('PATH='));
  });

  it('rejects as open does where nothing is', async () => {
    await assert.rejects(readRegularFile(join(folder, 'absent'), { links: 'refused' }), { code: 'ENOENT' });
  });

  it('does not wait for the other end of a pipe, more of them than there are threads for files', async () => {
    for (let index = 0; index < 8; index++) execFileSync('mkfifo', [join(folder, `pipe${index}`)]);
    const reads = Array.from({ length: 8 }, (_, index) => join(folder, `pipe${index}`)).flatMap((path) => [
      assert.rejects(readRegularFile(path, { links: 'refused' }), unfit('NOT_REGULAR', /^is a pipe$/)),
      assert.rejects(openRegularFile(path, { links: 'followed' }), unfit('NOT_REGULAR')),
    ]);
    await Promise.all(reads);
  });

  it('refuses a folder, a device and a socket', async () => {
    await mkdir(join(folder, 'folder'));
    await assert.rejects(readRegularFile(join(folder, 'folder'), { links: 'refused' }), unfit('EISDIR'));
    await assert.rejects(readRegularFile('/dev/zero', { links: 'followed' }), unfit('NOT_REGULAR', /device/));
    const server = createServer();
    const socket = join(folder, 's');
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      await assert.rejects(readRegularFile(socket, { links: 'followed' }), unfit('NOT_REGULAR'));
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('follows a link only where it may, and never to a pipe or a device', async () => {
    await writeFile(join(folder, 'target'), 'x');
    await symlink(join(folder, 'target'), join(folder, 'link'));
    await assert.rejects(readRegularFile(join(folder, 'link'), { links: 'refused' }), unfit('ELOOP'));
    assert.equal(await readRegularText(join(folder, 'link'), { links: 'followed' }), 'x');
    execFileSync('mkfifo', [join(folder, 'behind')]);
    await symlink(join(folder, 'behind'), join(folder, 'toPipe'));
    await symlink('/dev/zero', join(folder, 'toZero'));
    for (const name of ['toPipe', 'toZero'])
      await assert.rejects(readRegularFile(join(folder, name), { links: 'followed' }), unfit('NOT_REGULAR'));
  });

  it('refuses what really lies outside the folder that was named', async () => {
    const tree = join(folder, 'tree');
    await mkdir(join(tree, 'inner'), { recursive: true });
    await writeFile(join(folder, 'outside'), 'secret');
    await writeFile(join(tree, 'inner', 'file'), 'ours');
    await symlink('inner/file', join(tree, 'within'));
    await symlink(join(folder, 'outside'), join(tree, 'out'));
    await symlink(folder, join(tree, 'up'));
    const options = { links: 'followed', within: tree } as const;
    assert.equal(await readRegularText(join(tree, 'within'), options), 'ours');
    for (const name of ['out', 'up/outside'])
      await assert.rejects(readRegularFile(join(tree, name), options), unfit('OUTSIDE'));
  });

  it('takes no more into memory than was asked for, also of a file with holes and of one that grows', async () => {
    const huge = join(folder, 'huge');
    await writeFile(huge, 'start');
    await truncate(huge, 2 ** 40);
    await assert.rejects(
      readRegularFile(huge, { links: 'refused' }),
      unfit('TOO_LARGE', /^has 1099511627776 bytes: expected at most 16777216$/),
    );
    await appendFile(huge, 'the end');
    const start = await readRegularText(huge, { links: 'refused', maxBytes: 5, part: 'start' });
    const end = await readRegularText(huge, { links: 'refused', maxBytes: 7, part: 'end' });
    assert.deepEqual([start, end], ['start', 'the end']);
    if (process.platform !== 'linux') return;
    // Its size is told as none.
    await assert.rejects(
      readRegularFile('/proc/self/environ', { links: 'refused', maxBytes: 3 }),
      unfit('TOO_LARGE'),
    );
  });

  it('does not wait for ever for a file system that does not answer', async () => {
    const never = () => new Promise<never>(() => undefined);
    await assert.rejects(withinPatience('/mnt/lost', 1, never), unfit('TOO_SLOW'));
  });
});
