/** What every host adapter must do, as one suite that runs over each of them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Machine, ProcessIdentity } from '../../../engine/machine/machine.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';

export interface HostFixture {
  machine: Machine;
  /** An empty folder of the test. */
  folder: string;
  /** A program that prints its arguments, one each line. */
  print: { program: string; args: readonly string[] };
  /** A program that ends with code 3 after a word on stderr. */
  failing: { program: string; args: readonly string[] };
  /** A program that runs until it is ended. */
  endless: { program: string; args: readonly string[] };
  dispose(): Promise<void>;
}

const raw = <Value>(value: Value): Value => value;

export function describeHost(title: string, make: () => Promise<HostFixture>): void {
  describe(`host contract: ${title}`, () => {
    let fixture: HostFixture;
    let machine: Machine;
    let folder: string;
    const spawned: ProcessIdentity[] = [];

    before(async () => {
      fixture = await make();
      ({ machine, folder } = fixture);
    });
    after(async () => {
      for (const identity of spawned) await machine.processes.signal(identity, 'SIGKILL', true);
      await fixture.dispose();
    });

    const spawn = async (mark: string): Promise<ProcessIdentity> => {
      const identity = await machine.processes.spawnDetached({
        ...fixture.endless,
        env: {},
        cwd: '/',
        logFile: join(folder, `${mark}.log`),
        mark,
      });
      spawned.push(identity);
      return identity;
    };
    const ended = async (identity: ProcessIdentity): Promise<void> => {
      while ((await machine.processes.identify(identity.pid))?.startedAt === identity.startedAt) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    };

    describe('commands', () => {
      it('hands arguments over unchanged, whatever is in them', async () => {
        const words = ['$(id)', "a'b", 'x y', '*', 'é\u{1f418}', ''];
        const result = await machine.run({
          ...fixture.print,
          args: [...fixture.print.args, ...words],
          parse: raw,
        });
        assert.equal(result.stdout, words.map((word) => `${word}\n`).join(''));
        assert.equal(result.code, 0);
      });

      it('gives a failing command to parse with its code and stderr', async () => {
        const result = await machine.run({ ...fixture.failing, parse: raw });
        assert.equal(result.code, 3);
        assert.match(result.stderr, /broken/);
      });

      it('rejects with what parse throws', async () => {
        const error = new Error('not what I expected');
        await assert.rejects(
          machine.run({
            ...fixture.print,
            parse: () => {
              throw error;
            },
          }),
          error,
        );
      });

      it('tells lines as they come', async () => {
        const lines: string[] = [];
        await machine.run(
          { ...fixture.print, args: [...fixture.print.args, 'one', 'two'], parse: raw },
          { onStdoutLine: (line) => lines.push(line) },
        );
        assert.deepEqual(lines, ['one', 'two']);
      });

      it('names a program that is missing', async () => {
        await assert.rejects(
          machine.run({ program: 'no-such-program-here', args: [], parse: raw }),
          (error: unknown) =>
            isFailure(error, 'programs_missing') && error.message.includes('no-such-program-here'),
        );
      });

      it('does not start a command whose signal is aborted already', async () => {
        const reason = new Error('enough');
        await assert.rejects(
          machine.run({ ...fixture.endless, parse: raw }, { signal: AbortSignal.abort(reason) }),
          reason,
        );
      });

      it('ends a running command on abort and rejects with the reason', async () => {
        const controller = new AbortController();
        const reason = new Error('enough');
        const running = machine.run({ ...fixture.endless, parse: raw }, { signal: controller.signal });
        setImmediate(() => controller.abort(reason));
        await assert.rejects(running, reason);
      });
    });

    describe('processes', () => {
      it('recognises a detached process by pid and start time', async () => {
        const identity = await spawn('mark-identity');
        assert.deepEqual(await machine.processes.identify(identity.pid), identity);
        const line = await machine.processes.commandLine(identity.pid);
        assert.deepEqual(line, [fixture.endless.program, ...fixture.endless.args]);
      });

      it('has no identity and no arguments for a pid that is not there', async () => {
        assert.equal(await machine.processes.identify(2 ** 22 + 7), undefined);
        assert.equal(await machine.processes.commandLine(2 ** 22 + 7), undefined);
        assert.equal(await machine.processes.identify(0), undefined);
      });

      it('signals a process and says that it did', async () => {
        const identity = await spawn('mark-signal');
        assert.equal(await machine.processes.signal(identity, 'SIGTERM'), true);
        await ended(identity);
        assert.equal(await machine.processes.signal(identity, 'SIGTERM'), false);
      });

      it('is told of the end of a process of its own, if at all, and of no other by its pid', async () => {
        const identity = await spawn('mark-ended');
        const told = machine.processes.ended(identity);
        assert.equal(machine.processes.ended({ ...identity, startedAt: 'another' }), undefined);
        await machine.processes.signal(identity, 'SIGKILL');
        await told;
        if (told !== undefined) assert.equal(await machine.processes.identify(identity.pid), undefined);
        await ended(identity);
        assert.equal(machine.processes.ended(identity), undefined);
      });
      it('never signals a pid whose start time is another', async () => {
        const identity = await spawn('mark-stranger');
        const stranger = { pid: identity.pid, startedAt: '1' };
        assert.equal(await machine.processes.signal(stranger, 'SIGKILL', true), false);
        assert.deepEqual(await machine.processes.identify(identity.pid), identity);
      });

      it('finds the processes of a mark and no others', async () => {
        const one = await spawn('mark-find');
        const two = await spawn('mark-find');
        await spawn('mark-find-not');
        const found = await machine.processes.findMarked('mark-find');
        assert.deepEqual(found.map(({ pid }) => pid).sort(), [one.pid, two.pid].sort());
        assert.deepEqual(await machine.processes.findMarked('mark-nobody'), []);
      });
    });

    describe('files', () => {
      it('reads what was written, and undefined for what is not there', async () => {
        const path = join(folder, 'read');
        assert.equal(await machine.files.read(path), undefined);
        await machine.files.writeAtomic(path, 'héllo');
        assert.equal(await machine.files.read(path), 'héllo');
        await machine.files.writeAtomic(path, 'again', 0o600, 'system');
        assert.equal(await machine.files.read(path), 'again');
      });

      it('writes private files unless another mode is asked for, and leaves nothing beside them', async () => {
        const inside = join(folder, 'modes');
        await machine.files.makeDirectory(inside);
        await machine.files.writeAtomic(join(inside, 'a'), 'x');
        await machine.files.writeAtomic(join(inside, 'b'), 'x', 0o644);
        assert.equal((await machine.files.stat(join(inside, 'a')))?.mode, 0o600);
        assert.equal((await machine.files.stat(join(inside, 'b')))?.mode, 0o644);
        assert.deepEqual((await machine.files.list(inside)).map(({ name }) => name).sort(), ['a', 'b']);
      });

      it('does not write into a folder that is not there', async () => {
        await assert.rejects(machine.files.writeAtomic(join(folder, 'absent', 'file'), 'x'), {
          code: 'ENOENT',
        });
      });

      it('gives the lock of a file to one at a time, and writes nothing into it', async () => {
        const path = join(folder, 'lock');
        const held = await machine.files.lock(path);
        assert.ok(held);
        assert.equal(await machine.files.lock(path), undefined);
        held.release();
        const again = await machine.files.lock(path);
        assert.ok(again);
        again.release();
        assert.equal((await machine.files.stat(path))?.bytes, 0);
        await assert.rejects(machine.files.lock(join(folder, 'absent', 'lock')), { code: 'ENOENT' });
      });

      it('appends, making the file if needed', async () => {
        const path = join(folder, 'append');
        await machine.files.append(path, 'a\n');
        await machine.files.append(path, 'b\n');
        assert.equal(await machine.files.read(path), 'a\nb\n');
      });

      it('makes folders with their parents, twice if asked', async () => {
        const path = join(folder, 'deep', 'er', 'most');
        await machine.files.makeDirectory(path, { mode: 0o711 });
        await machine.files.makeDirectory(path);
        const found = await machine.files.stat(path);
        assert.equal(found?.kind, 'directory');
        assert.equal(found.mode, 0o711);
      });

      it('lists names with their kinds, and nothing where there is no folder', async () => {
        const path = join(folder, 'listed');
        await machine.files.makeDirectory(join(path, 'inner'));
        await machine.files.writeAtomic(join(path, 'file'), '');
        const entries = [...(await machine.files.list(path))].sort((a, b) => a.name.localeCompare(b.name));
        assert.deepEqual(entries, [
          { name: 'file', kind: 'file' },
          { name: 'inner', kind: 'directory' },
        ]);
        assert.deepEqual(await machine.files.list(join(folder, 'nowhere')), []);
      });

      it('has no stat of what is not there, and the size of what is', async () => {
        assert.equal(await machine.files.stat(join(folder, 'nowhere')), undefined);
        await machine.files.writeAtomic(join(folder, 'sized'), 'héllo');
        assert.equal((await machine.files.stat(join(folder, 'sized')))?.bytes, 6);
      });

      it('renames a folder with what is in it', async () => {
        await machine.files.makeDirectory(join(folder, 'from'));
        await machine.files.writeAtomic(join(folder, 'from', 'file'), 'kept');
        await machine.files.rename(join(folder, 'from'), join(folder, 'to'));
        assert.equal(await machine.files.read(join(folder, 'to', 'file')), 'kept');
        assert.equal(await machine.files.stat(join(folder, 'from')), undefined);
        await assert.rejects(machine.files.rename(join(folder, 'from'), join(folder, 'to2')), {
          code: 'ENOENT',
        });
      });

      it('removes files and whole folders, and nothing when there is nothing', async () => {
        const path = join(folder, 'doomed');
        await machine.files.makeDirectory(join(path, 'inner'));
        await machine.files.writeAtomic(join(path, 'inner', 'file'), '');
        await machine.files.remove(path);
        assert.equal(await machine.files.stat(path), undefined);
        await machine.files.remove(path);
        await machine.files.writeAtomic(path, '');
        await machine.files.remove(path);
        assert.equal(await machine.files.stat(path), undefined);
      });

      it('reads only an end of a file where that is asked for, and refuses one that is larger than expected', async () => {
        const path = join(folder, 'long');
        await machine.files.writeAtomic(path, 'start and end');
        assert.equal(await machine.files.read(path, { maxBytes: 5, part: 'start' }), 'start');
        assert.equal(await machine.files.read(path, { maxBytes: 3, part: 'end' }), 'end');
        assert.equal(await machine.files.read(path, { maxBytes: 13 }), 'start and end');
        await assert.rejects(machine.files.read(path, { maxBytes: 12 }), { code: 'TOO_LARGE' });
        await assert.rejects(machine.files.read(folder), { code: 'EISDIR' });
      });

      it('works below a tree as in it, and never above', async () => {
        const path = join(folder, 'tree');
        await machine.files.makeDirectory(join(path, 'inner', 'most'));
        const tree = machine.files.inside(path);
        await tree.write('inner/file', 'x');
        await tree.write('inner/file', 'again');
        assert.equal(await tree.read('inner/file'), 'again');
        assert.equal(await machine.files.read(join(path, 'inner', 'file')), 'again');
        assert.equal((await tree.readBytes('inner/file'))?.length, 5);
        const { kind, bytes, mode } = (await tree.stat('inner/file')) ?? {};
        assert.deepEqual([kind, bytes, mode], ['file', 5, 0o600]);
        const names = (await tree.list('inner')).map((entry) => `${entry.name} ${entry.kind}`);
        assert.deepEqual(names.sort(), ['file file', 'most directory']);
        for (const absent of ['nothing', 'no/where']) {
          assert.equal(await tree.read(absent), undefined);
          assert.equal(await tree.stat(absent), undefined);
          assert.deepEqual(await tree.list(absent), []);
          await tree.remove(absent);
        }
        await machine.files.writeAtomic(join(folder, 'above'), 'kept');
        await assert.rejects(tree.read('../above'), /leads out/);
        await assert.rejects(tree.remove('inner/../../above'), /leads out/);
        await tree.remove('inner');
        assert.deepEqual(await tree.list('.'), []);
        assert.equal(await machine.files.read(join(folder, 'above')), 'kept');
      });

      it('refuses to remove the root of the file system', async () => {
        await assert.rejects(machine.files.remove('/'), /refusing/);
      });

      it('adds up the files of a tree, and tells a path without links', async () => {
        const tree = join(folder, 'tree');
        await machine.files.makeDirectory(join(tree, 'inner'));
        await machine.files.writeAtomic(join(tree, 'inner', 'one'), 'x'.repeat(5000));
        await machine.files.writeAtomic(join(tree, 'two'), 'xyz');
        const { files, bytes, occupied } = await machine.fileSystem.measure(tree);
        assert.deepEqual({ files, bytes }, { files: 2, bytes: 5003 });
        assert.ok(occupied > 0);
        assert.equal((await machine.fileSystem.measure(join(folder, 'none'))).files, 0);
        assert.equal(
          await machine.fileSystem.realPath(join(tree, 'inner', '..', 'two')),
          join(await machine.fileSystem.realPath(folder), 'tree', 'two'),
        );
      });

      it('tells total and free bytes', async () => {
        const { totalBytes, freeBytes } = await machine.files.space(folder);
        assert.ok(totalBytes > 0 && freeBytes > 0 && freeBytes <= totalBytes);
      });
    });

    describe('ports', () => {
      it('leases different ports to different people', async () => {
        const leases = await Promise.all([machine.leasePort(), machine.leasePort(), machine.leasePort()]);
        assert.equal(new Set(leases.map(({ port }) => port)).size, 3);
        for (const lease of leases) await lease.release();
      });

      it('refuses a port that is held, and leases it again once released', async () => {
        const first = await machine.leasePort();
        await assert.rejects(
          machine.leasePort(first.port),
          (error: unknown) => isFailure(error, 'port_taken') && error.message.includes(String(first.port)),
        );
        await first.release();
        await first.release();
        const second = await machine.leasePort(first.port);
        assert.equal(second.port, first.port);
        await second.release();
      });
    });
  });
}
