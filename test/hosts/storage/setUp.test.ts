/** Thin clones for an ordinary user on ext4: the scripts that root runs, cut off at each line, and the commands around them with a real sudo. */
import assert from 'node:assert/strict';
import { chown, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from 'mocha';
import pg from 'pg';
import { removalScript, setUpScript } from '../../../engine/storage/setUp/script.ts';
import { mountUnitFile, mountUnitName } from '../../../engine/storage/setUp/mountUnit.ts';
import type { Clone, DoctorCheck, StorageSetUp } from '../../../engine/protocol/entities.ts';
import { parsed, type Finished } from '../../cli/realCommand.ts';
import { poolObstacle } from '../../support/pools.ts';
import { skipSuite } from '../../support/skips.ts';
import { describeMissing, ensureSystemPackages } from '../../support/systemPackages.ts';
import { alice, makeOrdinaryUser, type OrdinaryUser } from './ordinaryUser.ts';

async function orSkip(context: Context): Promise<OrdinaryUser> {
  const obstacle = (await poolObstacle('ext4')) ?? (await poolObstacle('btrfs'));
  if (obstacle !== undefined) skipSuite(context, obstacle);
  const { missing } = await ensureSystemPackages(['sudo']);
  if (missing.length > 0) skipSuite(context, describeMissing(missing));
  return makeOrdinaryUser();
}

const succeeded = (result: Finished): Finished => {
  assert.equal(result.code, 0, result.stderr + result.stdout);
  return result;
};

/** Stands in for systemd, which no container has: enables by a mark, and mounts what the unit says. */
const fakeSystemctl = (marks: string): string => `#!/bin/sh
set -eu
case "$1" in
  daemon-reload) ;;
  enable) test -e "/etc/systemd/system/$2"; : > '${marks}/enabled' ;;
  disable) rm -f '${marks}/enabled' ;;
  start)
    unit="/etc/systemd/system/$2"
    of() { sed -n "s/^$1=//p" "$unit" | sed "s/%%/%/g"; }
    mount -t "$(of Type)" -o "$(of Options)" "$(of What)" "$(of Where)" ;;
esac
`;

describe('the script that makes clones thin', function () {
  this.timeout(600_000);
  let made: OrdinaryUser | undefined;
  let user: OrdinaryUser;
  before(async function () {
    user = made = await orSkip(this);
    const [marks, program] = [join(user.folder, 'marks'), join(user.folder, 'systemctl')];
    await mkdir(marks);
    await writeFile(program, fakeSystemctl(marks), { mode: 0o755 });
    const { stdout } = await user.asRoot('sh', '-c', 'command -v systemctl || true');
    if (stdout !== '') succeeded(await user.asRoot('mount', '--bind', program, stdout.trim()));
    hasSystemctl = stdout !== '';
  });
  after(() => made?.dispose());
  let hasSystemctl = false;

  const sh = (script: string): Promise<Finished> => user.asRoot('/bin/sh', '-c', script);
  /** The first lines alone, as one that was interrupted. */
  const cutAfter = (script: string, lines: number): string => script.split('\n').slice(0, lines).join('\n');
  const countLines = (script: string): number => script.trimEnd().split('\n').length;
  const isMounted = async (path: string): Promise<boolean> =>
    (await user.asRoot('mountpoint', '-q', path)).code === 0;

  for (const kind of ['btrfs', 'xfs'] as const)
    for (const init of ['fstab', 'systemd'] as const)
      it(`comes to the same end wherever it was interrupted, with ${kind} and ${init}, and so does its removal`, async function () {
        if (kind === 'xfs') {
          const obstacle = await poolObstacle('xfs');
          if (obstacle !== undefined) skipSuite(this, obstacle);
        }
        if (init === 'systemd' && !hasSystemctl) skipSuite(this, 'this machine has no systemctl');
        const home = join(user.folder, `it's "${kind}" $(${init})\\040%h`);
        await mkdir(home);
        await chown(home, alice.uid, alice.gid);
        const mount = { kind, image: join(home, 'thin.img'), mountPoint: join(home, 'thin') };
        const script = setUpScript({ mount, owner: alice, bytes: 2 ** 30, install: null, init });
        const before = await user.fstab();
        for (let lines = 1; lines <= countLines(script); lines += 1)
          succeeded(await sh(cutAfter(script, lines)));
        succeeded(await sh(script));

        assert.ok(await isMounted(mount.mountPoint));
        const seen = await user.asRoot('stat', '-c', '%u %g %a', mount.mountPoint, mount.image);
        assert.equal(seen.stdout, `${alice.uid} ${alice.gid} 700\n${alice.uid} ${alice.gid} 600\n`);
        assert.ok((await stat(mount.image)).blocks * 512 < 2 ** 28, 'it occupies what is written to it');
        const options = await user.asRoot('findmnt', '-nfo', 'OPTIONS', mount.mountPoint);
        assert.match(options.stdout, /nosuid,nodev/);
        if (init === 'fstab') {
          const added = (await user.fstab()).slice(before.length).trim().split('\n');
          assert.equal(added.length, 1, 'one line, however often it ran');
          // As at a boot.
          succeeded(await user.asRoot('umount', mount.mountPoint));
          succeeded(await user.asRoot('mount', '--all', '--types', kind));
          assert.ok(await isMounted(mount.mountPoint));
        } else {
          assert.equal(await user.fstab(), before);
          succeeded(await user.asRoot('test', '-e', join(user.folder, 'marks', 'enabled')));
        }

        const larger = setUpScript({ mount, owner: alice, bytes: 2 ** 31, install: null, init });
        succeeded(await sh(larger));
        const { stdout } = await user.asRoot('df', '-B1', '--output=size', mount.mountPoint);
        assert.ok(Number(stdout.split('\n')[1]) > 1.8 * 2 ** 30, stdout);

        const removal = removalScript(mount);
        for (let lines = 1; lines <= countLines(removal); lines += 1)
          succeeded(await sh(cutAfter(removal, lines)));
        succeeded(await sh(removal));
        assert.equal(await isMounted(mount.mountPoint), false);
        assert.deepEqual(await readdir(home), []);
        assert.equal(await user.fstab(), before);
        const unit = mountUnitFile(mount.mountPoint) ?? '';
        assert.ok(unit.endsWith(mountUnitName(mount.mountPoint)));
        assert.equal((await user.asRoot('test', '-e', unit)).code, 1);
      });

  it('makes the file again that an interrupted mkfs left, and never mounts over what is there', async () => {
    const home = join(user.folder, 'strange');
    await mkdir(home);
    const mount = { kind: 'btrfs', image: join(home, 'thin.img'), mountPoint: join(home, 'thin') } as const;
    const script = setUpScript({ mount, owner: alice, bytes: 2 ** 30, install: null, init: 'fstab' });
    await writeFile(`${mount.image}.new`, 'half of a file system');
    await mkdir(mount.mountPoint);
    await writeFile(join(mount.mountPoint, 'precious'), 'x');
    const refused = await sh(script);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /not empty/i);
    assert.equal(await isMounted(mount.mountPoint), false);
    succeeded(await user.asRoot('rm', join(mount.mountPoint, 'precious')));
    succeeded(await sh(script));
    assert.ok(await isMounted(mount.mountPoint));
    succeeded(await sh(removalScript(mount)));
  });
});

const dump = `CREATE TABLE item (id int PRIMARY KEY, name text);
INSERT INTO item SELECT n, repeat('x', 200) FROM generate_series(1, 20000) n;
`;

describe('thin-clones storage, of an ordinary user on ext4', function () {
  this.timeout(600_000);
  let made: OrdinaryUser | undefined;
  let user: OrdinaryUser;
  let original = '';
  before(async function () {
    user = made = await orSkip(this);
    original = await user.fstab();
    const file = join(user.folder, 'alice', 'shop.sql');
    await writeFile(file, dump);
    await writeFile(
      join(user.folder, 'alice', 'thin-clones.yaml'),
      `version: 1\nenvironments:\n  shop:\n    members:\n      db: { engine: postgres, retrieval: dump, dump: ${file}, database: shop }\n`,
    );
  });
  after(async () => {
    await made?.thinClones('engine', 'stop');
    await made?.dispose();
  });

  const done = async (...args: string[]): Promise<Finished> => succeeded(await user.thinClones(...args));
  const shown = async (): Promise<StorageSetUp> => parsed(await done('storage', 'show', '--json'));
  const query = async (clone: string, sql: string): Promise<string> => {
    const { stdout } = await done('clone', 'url', clone);
    // Its port is this machine's: only files are in a namespace of their own.
    const client = new pg.Client({ connectionString: stdout.trim() });
    await client.connect();
    try {
      const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
      return JSON.stringify(rows);
    } finally {
      await client.end();
    }
  };

  it('makes full copies, says so, and says what makes them thin', async function () {
    const { items } = parsed<{ items: DoctorCheck[] }>(await user.thinClones('host', 'doctor', '--json'));
    const problem = items.find(({ status }) => status === 'problem');
    if (problem !== undefined) skipSuite(this, problem.message);
    assert.ok(
      items.some(({ status, fix }) => status === 'warning' && fix === 'thin-clones storage setup'),
      JSON.stringify(items),
    );
    const { state, isUsed, setUp } = await shown();
    assert.deepEqual([state, isUsed], ['possible', false]);
    const printed = await done('storage', 'setup', '--print');
    assert.equal(printed.stdout.trimEnd(), setUp?.trimEnd());
    assert.equal(await user.fstab(), original);
    await done('env', 'apply', '-f', 'thin-clones.yaml');
    await done('env', 'refresh', 'shop');
    await done('clone', 'create', 'shop', '--name', 'mine');
    await query('mine', "UPDATE item SET name = 'changed' WHERE id = 7");
  });

  it('asks first, and changes nothing without a terminal or where sudo refuses', async () => {
    const unasked = await user.thinClones('storage', 'setup');
    assert.equal(unasked.code, 2, unasked.stderr);
    assert.match(unasked.stderr, /mkfs\.btrfs/, 'the script is shown');
    await user.mayBecomeRoot(false);
    const refused = await user.thinClones('storage', 'setup', '--yes', '--json');
    const { error } = parsed<{ error: { code: string; next: string } }>(refused);
    assert.equal(error.code, 'root_refused');
    assert.match(error.next, /Or as root: sh /);
    assert.equal(await user.fstab(), original);
    assert.equal((await shown()).state, 'possible');
    assert.equal(await query('mine', 'SELECT count(*)::int FROM item'), '[[20000]]');
  });

  it('makes clones thin and takes along what is there', async () => {
    await user.mayBecomeRoot(true);
    const made = await done('storage', 'setup', '--yes', '--size', '2G');
    assert.match(made.stdout, /Clones are thin now/);
    const { state, isUsed, elsewhere, bytes } = await shown();
    assert.deepEqual([state, isUsed, elsewhere, bytes], ['ready', true, [], 2 ** 31]);
    assert.equal(await query('mine', 'SELECT name FROM item WHERE id = 7'), '[["changed"]]');
    const { items } = parsed<{ items: Clone[] }>(await done('clone', 'list', '--json'));
    assert.deepEqual(
      items.map(({ name, state: its }) => [name, its]),
      [['mine', 'ready']],
    );
    assert.deepEqual(await readdir(join(user.home, 'pool', 'data')), []);
    await done('clone', 'reset', 'mine', '--yes');
    await done('clone', 'create', 'shop', '--name', 'other');
    assert.equal(
      await query('other', 'SELECT name FROM item WHERE id = 7'),
      JSON.stringify([['x'.repeat(200)]]),
    );
    const { stdout } = await done('host', 'show');
    assert.match(stdout, /btrfs pool file, thin/);
  });

  it('has nothing to do the second time, and grows when it is told to', async () => {
    const line = await user.fstab();
    await user.mayBecomeRoot(false);
    await done('storage', 'setup', '--yes', '--size', '1G');
    await user.mayBecomeRoot(true);
    await done('storage', 'setup', '--yes', '--size', '3G');
    assert.equal((await shown()).bytes, 3 * 2 ** 30);
    assert.equal(await user.fstab(), line);
  });

  it('says what to do when it is not mounted, and loses nothing', async () => {
    await done('clone', 'stop', 'mine');
    await done('clone', 'stop', 'other');
    await done('engine', 'stop');
    succeeded(await user.asRoot('umount', join(user.home, 'thin')));
    const lost = await user.thinClones('clone', 'list', '--json');
    const { error } = parsed<{ error: { code: string; next: string } }>(lost);
    assert.equal(error.code, 'storage_unmounted');
    assert.match(error.next, /thin-clones storage setup/);
    const refused = await user.thinClones('storage', 'remove', '--yes', '--json');
    assert.equal(parsed<{ error: { code: string } }>(refused).error.code, 'storage_unmounted');
    await done('storage', 'setup', '--yes', '--size', '1G');
    await done('clone', 'start', 'other');
    assert.equal(await query('other', 'SELECT count(*)::int FROM item'), '[[20000]]');
  });

  it('refuses to go on without the pool file that held the data', async () => {
    await done('clone', 'stop', 'other');
    await done('engine', 'stop');
    const [image, away] = [join(user.home, 'thin.img'), join(user.home, 'away.img')];
    succeeded(await user.asRoot('umount', join(user.home, 'thin')));
    succeeded(await user.asRoot('mv', image, away));
    const lost = await user.thinClones('clone', 'list');
    assert.equal(lost.code, 1, lost.stdout);
    assert.match(lost.stderr, /thin\.img is gone/);
    await done('engine', 'stop');
    succeeded(await user.asRoot('mv', away, image));
    await done('storage', 'setup', '--yes', '--size', '1G');
    const { items } = parsed<{ items: Clone[] }>(await done('clone', 'list', '--json'));
    assert.equal(items.length, 2);
  });

  it('is removed completely, and not before it is empty', async () => {
    const refused = await user.thinClones('storage', 'remove', '--yes', '--json');
    assert.equal(parsed<{ error: { code: string } }>(refused).error.code, 'storage_holds_data');
    for (const name of ['mine', 'other']) await done('clone', 'destroy', name, '--yes');
    await done('env', 'delete', 'shop', '--yes');
    await done('storage', 'remove', '--yes');
    assert.equal(await user.fstab(), original);
    const names = await readdir(user.home);
    assert.deepEqual(
      names.filter((name) => name.startsWith('thin')),
      [],
    );
    assert.deepEqual([(await shown()).state], ['possible']);
    await done('env', 'apply', '-f', 'thin-clones.yaml');
    await done('env', 'refresh', 'shop');
    const { stdout } = await done('host', 'show');
    assert.match(stdout, /full copy/);
  });
});
