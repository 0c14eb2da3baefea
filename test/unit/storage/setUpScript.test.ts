/** What root is asked to run for an ordinary user: the right names, quoted, checked by the programs that read them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  fstabLine,
  mountUnit,
  mountUnitFile,
  mountUnitName,
} from '../../../engine/storage/setUp/mountUnit.ts';
import { quoted, removalScript, setUpScript } from '../../../engine/storage/setUp/script.ts';

const run = promisify(execFile);

const hostile = [
  '/home/alice/.local/share/thin-clones',
  "/home/o'brien/data",
  '/home/a b\t"c"/$(touch pwned)/`id`',
  '/home/100%/%h',
  String.raw`/home/back\slash\040`,
  '/home/ümläut/数据',
  '/home/-rf/--',
  '/home/a;reboot&|<>',
  '/home/#hash',
];

const owner = { name: 'alice', uid: 1000, gid: 1000 };
const mountIn = (home: string, kind: 'btrfs' | 'xfs' = 'btrfs') => ({
  ...{ kind, image: join(home, 'thin.img'), mountPoint: join(home, 'thin') },
});

const isThere = (program: string): Promise<boolean> =>
  run('sh', ['-c', `command -v ${program}`]).then(
    () => true,
    () => false, // best effort: not on this machine
  );

describe('the set-up of a pool file for an ordinary user', () => {
  it('names its unit as systemd does', async function () {
    if (!(await isThere('systemd-escape'))) this.skip();
    for (const home of hostile) {
      const { stdout } = await run('systemd-escape', ['--path', '--suffix=mount', '--', `${home}/thin`]);
      assert.equal(mountUnitName(`${home}/thin`), stdout.trimEnd());
    }
    assert.equal(mountUnitName('/.hidden/thin'), String.raw`\x2ehidden-thin.mount`);
  });

  it('writes a unit that systemd takes', async function () {
    if (!(await isThere('systemd-analyze'))) this.skip();
    const folder = await mkdtemp(join(tmpdir(), 'thin-clones-units-'));
    try {
      for (const home of hostile) {
        const mount = mountIn(home);
        const file = join(folder, mountUnitName(mount.mountPoint));
        await writeFile(file, `${mountUnit(mount, 'alice').join('\n')}\n`);
        const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', file], {
          env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
        });
        assert.equal(stdout + stderr, '');
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('writes a line that the reader of fstab takes for one mount', async function () {
    if (!(await isThere('findmnt'))) this.skip();
    const folder = await mkdtemp(join(tmpdir(), 'thin-clones-fstab-'));
    try {
      const file = join(folder, 'fstab');
      for (const home of hostile) {
        const mount = mountIn(home);
        await writeFile(file, `${fstabLine(mount)}\n`);
        const { stdout } = await run('findmnt', ['--json', '--tab-file', file]);
        const { filesystems } = JSON.parse(stdout) as { filesystems: Record<string, string>[] };
        assert.deepEqual(
          filesystems.map(({ source, target }) => [source, target]),
          [[mount.image, mount.mountPoint]],
        );
        assert.match(filesystems[0]?.['options'] ?? '', /nosuid,nodev.*nofail/);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('quotes whatever a path holds, and nothing of it runs', async function () {
    if (process.platform === 'win32') this.skip();
    const folder = await mkdtemp(join(tmpdir(), 'thin-clones-quoting-'));
    try {
      await mkdir(join(folder, 'empty'));
      for (const home of hostile) {
        for (const script of [
          setUpScript({ mount: mountIn(home), owner, bytes: 2 ** 30, install: null, init: 'systemd' }),
          setUpScript({ mount: mountIn(home), owner, bytes: 2 ** 30, install: null, init: 'fstab' }),
          removalScript(mountIn(home)),
        ]) {
          await run('sh', ['-n', '-c', script]);
          // The lines that only set a variable, run: each holds exactly what was put in.
          const assignments = script.split('\n').filter((line) => /^(image|pool)=/.test(line));
          const shown = await run(
            'sh',
            ['-c', `${assignments.join('\n')}\nprintf '%s|%s' "$image" "$pool"`],
            {
              cwd: join(folder, 'empty'),
            },
          );
          assert.equal(shown.stdout, `${home}/thin.img|${home}/thin`);
        }
      }
      const { stdout } = await run('ls', ['-A', join(folder, 'empty')]);
      assert.equal(stdout, '');
    } finally {
      await rm(folder, { recursive: true });
    }
    assert.equal(quoted("it's"), String.raw`'it'\''s'`);
  });

  it('goes by fstab where a path is too long to name a unit', () => {
    const mount = mountIn(`/home/${'ü'.repeat(40)}`);
    assert.equal(mountUnitFile(mount.mountPoint), undefined);
    const script = setUpScript({ mount, owner, bytes: 2 ** 30, install: null, init: 'systemd' });
    assert.match(script, /\/etc\/fstab/);
    assert.doesNotMatch(script, /systemctl/);
  });

  it('makes XFS that shares blocks where that was asked for', () => {
    const mount = mountIn('/home/alice', 'xfs');
    const script = setUpScript({ mount, owner, bytes: 2 ** 30, install: null, init: 'fstab' });
    assert.match(script, /mkfs\.xfs -q -f -m reflink=1/);
    assert.match(script, /xfs_growfs/);
    assert.doesNotMatch(script, /user_subvol_rm_allowed/);
  });
});
