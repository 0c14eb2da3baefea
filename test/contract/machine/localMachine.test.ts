import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmod, chown, copyFile, lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalMachine } from '../../../engine/machine/local/localMachine.ts';
import { findServerUser } from '../../../engine/machine/local/serverUser.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { hostNameSchema } from '../../../engine/protocol/ids.ts';
import { skipSuite } from '../../support/skips.ts';
import { describeHost } from './machine.contract.ts';
import { engines } from '../../../engine/database/engines.ts';

const name = hostNameSchema.parse('local');
const node = (script: string, ...args: string[]) => ({
  program: process.execPath,
  args: ['-e', script, '--', ...args],
});

describeHost('local', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'thin-clones-host-'));
  return {
    machine: createLocalMachine({ name, serverUser: undefined, environment: process.env }),
    folder,
    print: node('for (const word of process.argv.slice(1)) console.log(word)'),
    failing: node('console.error("broken"); process.exit(3)'),
    endless: { program: 'sleep', args: ['1000'] },
    dispose: () => rm(folder, { recursive: true }),
  };
});

describe('local host', () => {
  const machine = createLocalMachine({ name, serverUser: undefined, environment: process.env });
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thin-clones-host-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('makes a tree equal to another, and writes only the blocks that differ', async () => {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    for (const path of [from, to]) {
      await mkdir(join(path, 'base', path === from ? 'new' : 'gone'), { recursive: true });
      await writeFile(join(path, 'base', 'same'), 'x'.repeat(30_000));
      await writeFile(join(path, 'base', 'longer'), 'y'.repeat(path === from ? 30_001 : 8192));
      await writeFile(join(path, 'base', 'shorter'), 'z'.repeat(path === from ? 10 : 3_000_000));
    }
    await writeFile(join(from, 'only here'), 'here', { mode: 0o640 });
    await writeFile(join(to, 'only there'), 'there');
    await mkdir(join(from, 'was a file'));
    await writeFile(join(to, 'was a file'), '');
    await writeFile(join(from, 'was a folder'), 'a file');
    await mkdir(join(to, 'was a folder', 'inner'), { recursive: true });
    await symlink('../elsewhere', join(from, 'link'));
    await symlink('/etc/passwd', join(to, 'link'));
    await machine.fileSystem.copyDifferences(from, to);
    const { stdout, status } = spawnSync('diff', ['-r', '--no-dereference', from, to], { encoding: 'utf8' });
    assert.deepEqual([status, stdout], [0, '']);
    assert.equal((await lstat(join(to, 'only here'))).mode & 0o777, 0o640);
    const [made, original] = [to, from].map((path) => lstat(join(path, 'base', 'same')));
    assert.ok(Math.abs(((await made)?.mtimeMs ?? 0) - ((await original)?.mtimeMs ?? 0)) < 1);
    await machine.fileSystem.copyDifferences(from, to);
    await assert.rejects(
      machine.fileSystem.copyDifferences(from, to, AbortSignal.abort(new Error('enough'))),
      /enough/,
    );
  });

  it('is told of the end of a process that it started', async () => {
    const logFile = join(folder, 'short.log');
    const command = { program: 'sleep', args: ['0.05'], env: {}, cwd: '/', logFile, mark: 'short' };
    const identity = await machine.processes.spawnDetached(command);
    const told = machine.processes.ended(identity);
    assert.ok(told !== undefined);
    await told;
    assert.equal(await machine.processes.identify(identity.pid), undefined);
  });
  it('ends the children of an aborted command too, even those that ignore TERM', async () => {
    const controller = new AbortController();
    const mark = `mark-group-${process.pid}`;
    const running = machine.run(
      {
        program: 'sh',
        args: ['-c', 'trap "" TERM; sleep 1000 & echo started; wait; sleep 1000'],
        mark,
        parse: () => undefined,
      },
      { signal: controller.signal, onStdoutLine: () => controller.abort(new Error('enough')) },
    );
    await assert.rejects(running, /enough/);
    assert.deepEqual(await machine.processes.findMarked(mark), []);
  });

  it('keeps passwords of a command out of its arguments and its mark in its environment', async () => {
    const output = await machine.run({
      program: 'sh',
      args: ['-c', 'echo "$PGPASSWORD $THIN_CLONES_MARK"'],
      env: { PGPASSWORD: 'secret' },
      mark: 'mark-env',
      parse: ({ stdout }) => stdout,
    });
    assert.equal(output, 'secret mark-env\n');
  });

  it("does not let a command follow the libpq variables of the engine's own environment", async () => {
    const surrounded = createLocalMachine({
      name,
      serverUser: undefined,
      environment: { ...process.env, PGSERVICE: 'production', PGHOSTADDR: '192.0.2.1', PGPASSWORD: 'secret' },
      withheld: (variable) => engines.some((engine) => engine.isToolVariable(variable)),
    });
    const output = await surrounded.run({
      program: 'sh',
      args: ['-c', 'echo "[$PGSERVICE][$PGHOSTADDR][$PGPASSWORD][$PGUSER]"'],
      env: { PGUSER: 'reader' },
      parse: ({ stdout }) => stdout,
    });
    assert.equal(output, '[][][][reader]\n');
  });

  it('gives stdin to a command, and does not fail when it is not read', async () => {
    const cat = await machine.run({
      program: 'cat',
      args: [],
      stdin: 'text',
      parse: ({ stdout }) => stdout,
    });
    assert.equal(cat, 'text');
    const code = await machine.run({
      program: 'true',
      args: [],
      stdin: 'x'.repeat(1e6),
      parse: (result) => result.code,
    });
    assert.equal(code, 0);
  });

  it('keeps at most the last 64 KiB of stderr and all of stdout', async () => {
    const result = await machine.run({
      ...node('process.stdout.write("o".repeat(300000)); process.stderr.write("e".repeat(200000) + "end")'),
      parse: (value) => value,
    });
    assert.equal(result.stdout.length, 300000);
    assert.equal(result.stderr.length, 64 * 1024);
    assert.ok(result.stderr.endsWith('end'));
  });

  it('gives a detached server none of the secrets of the engine, and a private umask', async () => {
    const secretive = createLocalMachine({
      name,
      serverUser: undefined,
      environment: { ...process.env, THIN_CLONES_TOKEN: 'secret', PGPASSWORD: 'secret' },
    });
    const logFile = join(folder, 'server.log');
    const identity = await secretive.processes.spawnDetached({
      program: 'sh',
      args: ['-c', 'env; umask; echo done'],
      env: { OWN: 'yes' },
      cwd: folder,
      logFile,
      mark: 'mark-secret',
    });
    while (await secretive.processes.identify(identity.pid)) await new Promise((r) => setImmediate(r));
    const log = (await secretive.files.read(logFile)) ?? '';
    assert.match(log, /^OWN=yes$/m);
    assert.match(log, /^0?077$/m);
    assert.match(log, /^done$/m);
    assert.doesNotMatch(log, /TOKEN|PGPASSWORD/);
    assert.equal((await secretive.files.stat(logFile))?.mode, 0o600);
  });

  it('names the program when a detached process can not be spawned', async () => {
    await assert.rejects(
      machine.processes.spawnDetached({
        program: '/no/such/postgres',
        args: [],
        env: {},
        cwd: folder,
        logFile: join(folder, 'none.log'),
        mark: 'mark-none',
      }),
      (error: unknown) => isFailure(error, 'programs_missing'),
    );
  });

  it('says which folder is missing, not that the program is', async () => {
    await assert.rejects(
      machine.run({ program: 'true', args: [], cwd: join(folder, 'absent'), parse: () => 0 }),
      /can't start in .*absent/,
    );
  });

  it('removes a link and not what it points to', async () => {
    const precious = join(folder, 'precious');
    await mkdir(precious);
    await writeFile(join(precious, 'file'), 'kept');
    await symlink(precious, join(folder, 'link'));
    await mkdir(join(folder, 'tree'));
    await symlink(precious, join(folder, 'tree', 'inner'));
    await machine.files.remove(join(folder, 'link'));
    await machine.files.remove(join(folder, 'tree'));
    assert.equal(await machine.files.read(join(precious, 'file')), 'kept');
    assert.deepEqual(
      (await machine.files.list(folder)).filter(({ name: n }) => /^(link|tree)$/.test(n)),
      [],
    );
  });

  it('does not append through a link', async () => {
    await writeFile(join(folder, 'target'), 'original');
    await symlink(join(folder, 'target'), join(folder, 'trap.log'));
    await assert.rejects(machine.files.append(join(folder, 'trap.log'), 'evil'), { code: 'ELOOP' });
    assert.equal(await machine.files.read(join(folder, 'target')), 'original');
  });

  it('finds the processes of a mark with fewer descriptors than there are processes', async function () {
    if (process.platform !== 'linux') skipSuite(this, 'only Linux has /proc');
    const sleepers = Array.from({ length: 200 }, () => spawn('sleep', ['1000'], { stdio: 'ignore' }));
    try {
      const script = `
        import { createLocalMachine } from ${JSON.stringify(join(import.meta.dirname, '../../../engine/machine/local/localMachine.ts'))};
        const host = createLocalMachine({ name: 'local', serverUser: undefined, environment: process.env });
        console.log((await host.processes.findMarked('mark-few')).length);`;
      const found = await machine.run({
        program: 'sh',
        args: [
          '-c',
          'ulimit -n 128 && exec "$0" --input-type=module --no-warnings -e "$1"',
          process.execPath,
          script,
        ],
        parse: ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
      });
      assert.deepEqual(found, { code: 0, stdout: '0\n', stderr: '' });
    } finally {
      for (const sleeper of sleepers) sleeper.kill('SIGKILL');
    }
  });

  describe('as root', () => {
    before(function () {
      if (process.getuid?.() !== 0) skipSuite(this, 'needs root, to become another user');
    });

    it('finds or makes the server user, and refuses one that is missing or root', async () => {
      const user = await findServerUser({ environment: process.env });
      assert.equal(user?.name, 'thin-clones');
      assert.ok(user.uid > 0 && user.gid > 0);
      assert.deepEqual(await findServerUser({ environment: process.env }), user);
      assert.equal(await findServerUser({ environment: process.env, uid: 1000 }), undefined);
      for (const configured of ['no-such-user', 'root']) {
        await assert.rejects(findServerUser({ configured, environment: process.env }), (error: unknown) =>
          isFailure(error, 'invalid_request'),
        );
      }
    });

    it('runs commands and detached processes as the server user, and gives files to it', async () => {
      const serverUser = await findServerUser({ environment: process.env });
      assert.ok(serverUser);
      const rootHost = createLocalMachine({ name, serverUser, environment: process.env });
      const id = { program: 'id', args: ['-u'], parse: ({ stdout }: { stdout: string }) => Number(stdout) };
      assert.equal(await rootHost.run(id), 0);
      assert.equal(await rootHost.run({ ...id, asServerUser: true }), serverUser.uid);

      const logFile = join(folder, 'as-user.log');
      const identity = await rootHost.processes.spawnDetached({
        program: 'id',
        args: ['-u'],
        env: {},
        cwd: '/',
        logFile,
        mark: 'mark-user',
      });
      while (await rootHost.processes.identify(identity.pid)) await new Promise((r) => setImmediate(r));
      assert.equal(await rootHost.files.read(logFile), `${serverUser.uid}\n`);

      await rootHost.files.makeDirectory(join(folder, 'owned'), { serverUser: true });
      assert.equal((await lstat(join(folder, 'owned'))).uid, serverUser.uid);
      await mkdir(join(folder, 'given'));
      await writeFile(join(folder, 'given', 'file'), '');
      await writeFile(join(folder, 'outside'), '');
      await chown(join(folder, 'outside'), 0, 0);
      await symlink(join(folder, 'outside'), join(folder, 'given', 'link'));
      await rootHost.files.giveToServerUser(join(folder, 'given'));
      assert.equal((await lstat(join(folder, 'given', 'file'))).uid, serverUser.uid);
      assert.equal((await lstat(join(folder, 'outside'))).uid, 0);
    });

    it('names the folder that lets the server user not pass, not a program that is missing', async () => {
      const serverUser = await findServerUser({ environment: process.env });
      const rootHost = createLocalMachine({ name, serverUser, environment: process.env });
      const closed = join(folder, 'closed');
      await mkdir(join(closed, 'bin'), { recursive: true });
      await chmod(folder, 0o755);
      await chmod(closed, 0o700);
      const program = join(closed, 'bin', 'initdb');
      await copyFile('/bin/true', program);
      await assert.rejects(
        rootHost.run({ program, args: [], asServerUser: true, parse: () => 0 }),
        (error: unknown) =>
          isFailure(error, 'programs_closed') && error.message.includes(`folder ${closed} `),
      );
    });
  });
});
