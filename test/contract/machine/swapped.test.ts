/** The server user, who is whoever speaks SQL to a clone, swaps files under an engine that is root. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  copyFile,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { writeConfiguration } from '../../../engine/database/postgres/configuration.ts';
import { removeLeftovers } from '../../../engine/database/postgres/prepare.ts';
import type { Machine } from '../../../engine/machine/machine.ts';
import { createLocalMachine } from '../../../engine/machine/local/localMachine.ts';
import { findServerUser } from '../../../engine/machine/local/serverUser.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';
import { UnfitFileError } from '../../../engine/protocol/node/regularFile.ts';
import { skipSuite } from '../../support/skips.ts';

const SECRET = "x.secret = 'of a stranger'\n";
const ROUNDS = 300;
const server = { major: 16, postgres: '/usr/bin/postgres' };
const images = { present: async () => new Set<string>() };

describe('a directory whose owner swaps what is in it', () => {
  let machine: Machine;
  let user: NonNullable<Machine['serverUser']>;
  let top: string;
  let data: string;
  let strangers: string;
  let swapper: ChildProcess | undefined;

  before(async function () {
    if (process.getuid?.() !== 0) skipSuite(this, 'needs root, to become another user');
    const found = await findServerUser({ environment: process.env });
    assert.ok(found);
    user = found;
    machine = createLocalMachine({
      name: hostNameSchema.parse('local'),
      serverUser: user,
      environment: process.env,
    });
  });
  beforeEach(async () => {
    top = await mkdtemp('/tmp/tc-swap-');
    await chmod(top, 0o755);
    strangers = join(top, 'strangers');
    data = join(top, 'data');
    await mkdir(join(strangers, 'slot'), { recursive: true });
    await writeFile(join(strangers, 'file'), SECRET, { mode: 0o600 });
    await writeFile(join(strangers, 'own.conf'), SECRET, { mode: 0o600 });
    await chmod(strangers, 0o755);
    await machine.files.makeDirectory(data, { mode: 0o700, serverUser: true });
  });
  afterEach(async () => {
    if (swapper !== undefined) {
      swapper.kill('SIGKILL');
      await once(swapper, 'exit');
      swapper = undefined;
    }
    await rm(top, { recursive: true, force: true });
  });

  const startSwapper = async (): Promise<void> => {
    const program = join(top, 'swapper.mjs');
    const node = join(top, 'node');
    // Where that user can reach them.
    await copyFile(join(import.meta.dirname, 'swapper.mjs'), program);
    await copyFile(process.execPath, node);
    await chmod(node, 0o755);
    await chmod(program, 0o644);
    swapper = spawn(node, [program, data, join(strangers, 'file'), strangers], {
      cwd: '/',
      env: {},
      uid: user.uid,
      gid: user.gid,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.ok(swapper.stdout);
    await once(swapper.stdout, 'data');
  };

  const assertUntouched = async (): Promise<void> => {
    for (const name of ['.', 'file', 'own.conf', 'slot']) {
      const { uid, gid } = await lstat(join(strangers, name));
      assert.deepEqual([name, uid, gid], [name, 0, 0]);
    }
    assert.deepEqual((await readdir(strangers)).sort(), ['file', 'own.conf', 'slot']);
    assert.equal(await readFile(join(strangers, 'file'), 'utf8'), SECRET);
    assert.equal((await lstat(join(strangers, 'file'))).mode & 0o777, 0o600);
  };

  /** What the engine finds in its way it may refuse, and never follows. */
  const orRefused = async (work: Promise<unknown>): Promise<void> => {
    await work.catch((error: unknown) => {
      if (error instanceof UnfitFileError) return;
      const { code } = error as NodeJS.ErrnoException;
      if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(code ?? '')) throw error;
    });
  };

  it(`gets no file of a stranger, and has none removed, in ${ROUNDS} preparations`, async function () {
    this.timeout(0);
    await mkdir(join(data, 'pg_wal'));
    await startSwapper();
    for (let round = 0; round < ROUNDS; round++) {
      await orRefused(writeConfiguration({ machine, dataDirectory: data, server, images }));
      await orRefused(removeLeftovers({ machine, target: data }));
    }
    await assertUntouched();
  });

  it('reads no setting through a folder that is a link', async () => {
    await symlink(strangers, join(data, 'conf.d'));
    await writeFile(
      join(data, 'postgresql.conf'),
      "include_dir 'conf.d'\ninclude 'conf.d/own.conf'\nwork_mem = 5MB\n",
    );
    await writeConfiguration({ machine, dataDirectory: data, server, images });
    const written = await readFile(join(data, 'postgresql.conf'), 'utf8');
    assert.match(written, /work_mem/);
    assert.doesNotMatch(written, /stranger/);
  });

  it('removes nothing through a link on the way, and lists nothing', async () => {
    await symlink(strangers, join(data, 'inner'));
    const tree = machine.files.inside(data);
    assert.deepEqual(await tree.list('inner'), []);
    assert.equal(await tree.stat('inner/file'), undefined);
    assert.equal(await tree.read('inner/file'), undefined);
    await tree.remove('inner/file');
    await tree.remove('inner/slot');
    await assert.rejects(tree.write('inner/new', 'x'), { code: 'ENOTDIR' });
    await assertUntouched();
    await tree.remove('inner');
    assert.deepEqual(await tree.list('.'), []);
    await assertUntouched();
  });

  it('gives a tree with its links, and not what they lead to', async () => {
    const tree = join(top, 'tree');
    await mkdir(join(tree, 'a', 'b'), { recursive: true });
    await writeFile(join(tree, 'a', 'b', 'f'), 'x');
    await symlink(strangers, join(tree, 'a', 'folder'));
    await symlink(join(strangers, 'file'), join(tree, 'a', 'b', 'link'));
    await machine.files.giveToServerUser(tree);
    for (const path of ['.', 'a', 'a/b', 'a/b/f', 'a/folder', 'a/b/link'])
      assert.equal((await lstat(join(tree, path))).uid, user.uid, path);
    await assertUntouched();
    const outside = join(top, 'outside');
    await symlink(strangers, outside);
    await assert.rejects(machine.files.giveToServerUser(outside));
    await assert.rejects(machine.files.takeFromServerUser(outside));
    await assert.rejects(machine.files.makeDirectory(outside, { mode: 0o777, serverUser: true }));
    await assertUntouched();
  });

  it('is closed to its owner until it is given, and refused when something is in it already', async () => {
    await machine.files.takeFromServerUser(data);
    const enters = () =>
      machine.run({
        program: 'test',
        args: ['-x', data],
        asServerUser: true,
        parse: ({ code }) => code === 0,
      });
    assert.equal(await enters(), false);
    await machine.files.giveToServerUser(data);
    assert.equal(await enters(), true);
    await writeFile(join(data, 'planted'), '');
    await assert.rejects(machine.files.takeFromServerUser(data), /planted/);
  });

  it('is refused as a place for a log when that is a pipe, a link, or a second name of a file', async () => {
    const log = join(data, 'server.log');
    const start = () =>
      machine.processes.spawnDetached({
        program: 'true',
        args: [],
        env: {},
        cwd: '/',
        logFile: log,
        mark: 'swap',
      });
    execFileSync('mkfifo', [log]);
    await assert.rejects(start());
    await rm(log);
    await symlink(join(strangers, 'file'), log);
    await assert.rejects(start());
    await rm(log);
    await link(join(strangers, 'file'), log);
    await assert.rejects(start(), UnfitFileError);
    await chown(log, 0, 0);
    await assertUntouched();
  });
});
