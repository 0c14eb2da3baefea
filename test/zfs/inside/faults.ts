/** What can go wrong with a pool, inside the machine: each refusal is told as its own error, and nothing is lost. */
import './runner.ts';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import { explainStorage } from '../../../engine/storage/choose.ts';
import { newDatasetId, tagsOf } from '../../contract/storage/tags.ts';
import { command, openStore, ownMachine, type OpenedStore } from './store.ts';

const image = '/root/small.img';
const zfs = (...args: string[]): string => command('/usr/sbin/zfs', ...args);
const zpool = (...args: string[]): string => command('/usr/sbin/zpool', ...args);
const fails = (code: ErrorCode, next: RegExp) => (error: unknown) => {
  assert.ok(isFailure(error, code), `expected ${code}, got ${String(error)}`);
  assert.match(error.document.next, next);
  return true;
};
const doctor = async (
  dataset = 'small/thin',
): Promise<{ status: string; message: string; fix: string | null }> => {
  const configured = { dataset };
  const [check] = await explainStorage({ machine: await ownMachine(), root: '/nowhere', configured });
  assert.ok(check);
  return check;
};

/** Writes until it is refused. */
const fill = (path: string, refused: RegExp): void => {
  const file = openSync(path, 'w');
  const chunk = Buffer.alloc(2 ** 17, crypto.getRandomValues(new Uint8Array(65_536)));
  try {
    assert.throws(() => {
      for (;;) writeSync(file, chunk);
    }, refused);
  } finally {
    closeSync(file);
  }
};

describe('a pool of ZFS', () => {
  let store: OpenedStore;
  before(async () => {
    closeSync(openSync(image, 'w'));
    truncateSync(image, 200 * 2 ** 20);
    zpool('create', '-O', 'mountpoint=/small', 'small', image);
    zfs('create', 'small/thin');
    zfs('create', 'small/thin/of-others');
    command('touch', '/small/thin/of-others/precious');
    store = await openStore('small/thin');
  });
  after(() => zpool('destroy', '-f', 'small'));

  it('is named by the doctor, with its version and the dataset', async () => {
    const { status, message } = await doctor();
    assert.equal(status, 'ok', message);
    assert.match(message, /OpenZFS 2\.1\S* .*small \(ONLINE, .*small\/thin, mounted at \/small\/thin/s);
  });

  it('shows whose a dataset is, and what it became', async () => {
    const id = await store.clone(await store.snapshot());
    // The properties follow the tags.
    await store.storage.close();
    const shown = (name: string): string =>
      zfs('get', '-H', '-o', 'value', `thin-clones:${name}`, `small/thin/data/${id}`);
    assert.deepEqual(['installation', 'dataset', 'state', 'environment', 'member', 'clone'].map(shown), [
      store.installation,
      id,
      'ready',
      'shop',
      'orders',
      'feature/a',
    ]);
    assert.equal(zfs('get', '-H', '-o', 'value', 'recordsize', `small/thin/data/${id}`), '16K');
    assert.equal(zfs('get', '-H', '-o', 'source', 'recordsize', 'small/thin'), 'default');
    assert.equal(zfs('get', '-H', '-s', 'local', '-o', 'property', 'all', 'small/thin'), '');
  });

  it('keeps what others have below ours: a child, a clone of ours, and a snapshot that they hold', async () => {
    const { storage } = store;
    const [cloned, held] = [await store.snapshot(), await store.snapshot()];
    const withChild = await store.clone(await store.snapshot());
    zfs('create', `small/thin/data/${withChild}/mine`);
    zfs('clone', `small/thin/data/${cloned}@kept`, 'small/of-others');
    zfs('hold', 'mine', `small/thin/data/${held}@kept`);
    await assert.rejects(storage.destroy(withChild), fails('storage_foreign', /./));
    for (const id of [cloned, held]) await storage.destroy(id);
    await storage.emptyTrash();
    const left = zfs('list', '-H', '-o', 'name', '-r', 'small').split('\n');
    for (const name of [`small/thin/data/${withChild}/mine`, 'small/of-others', 'small/thin/of-others'])
      assert.ok(left.includes(name), `${name} of ${left.join(' ')}`);
    assert.equal(left.filter((name) => name.startsWith('small/thin/trash/')).length, 2);
    assert.deepEqual(await storage.foreign(), ['/small/thin/of-others']);

    zfs('destroy', 'small/of-others');
    zfs('destroy', `small/thin/data/${withChild}/mine`);
    const graves = zfs('list', '-H', '-o', 'name', '-t', 'snapshot', '-r', 'small/thin/trash').split('\n');
    zfs('release', 'mine', graves.find((name) => name.includes(held)) ?? '');
    await storage.destroy(withChild);
    await storage.emptyTrash();
    assert.equal(zfs('list', '-H', '-o', 'name', '-r', 'small/thin/trash'), 'small/thin/trash');
  });

  it('is not emptied by a mistake of somebody else: what clones stand on is held', async () => {
    const id = await store.snapshot();
    assert.throws(() => zfs('destroy', '-r', `small/thin/data/${id}`), /busy/);
    assert.ok(await store.machine.files.read(join(store.storage.path(id), 'PG_VERSION')));
  });

  it('says that a dataset is busy, and destroys it when it no longer is', async () => {
    const id = await store.clone(await store.snapshot());
    const user = spawn('sleep', ['1000'], { cwd: store.storage.path(id) });
    await once(user, 'spawn');
    await assert.rejects(store.storage.destroy(id), fails('storage_busy', /zfs holds/));
    const ended = once(user, 'exit');
    user.kill('SIGKILL');
    await ended;
    await store.storage.destroy(id);
    assert.equal(await store.storage.get(id), undefined);
  });

  it('says that a quota is used up', async () => {
    const from = await store.snapshot();
    zfs('set', 'quota=4M', 'small/thin');
    fill(join(store.storage.path(await store.clone(from)), 'ballast'), /-122|unknown error/i);
    zpool('sync', 'small');
    const id = newDatasetId();
    await assert.rejects(
      store.storage.clone(from, id, tagsOf(store.installation, id, 'filling')),
      fails('storage_quota', /raise the limit/),
    );
    zfs('set', 'quota=none', 'small/thin');
    assert.equal(await store.storage.get(id), undefined);
    await store.clone(from);
  });

  it('says that it is full, and lets go of what is given up', async () => {
    const from = await store.snapshot();
    const old = await store.clone(from);
    fill('/small/ballast', /ENOSPC/);
    zpool('sync', 'small');
    const id = newDatasetId();
    await assert.rejects(
      store.storage.clone(from, id, tagsOf(store.installation, id, 'filling')),
      fails('storage_full', /Delete/),
    );
    await store.storage.destroy(old);
    assert.equal(await store.storage.get(old), undefined);
    await store.storage.emptyTrash();
    command('rm', '/small/ballast');
    zpool('sync', 'small');
    await store.clone(from);
  });

  it('says that it is read-only, changes nothing, and is the same when it can be written again', async () => {
    await store.storage.emptyTrash();
    const before = await store.storage.list();
    await store.storage.close();
    zpool('export', 'small');
    zpool('import', '-d', '/root', '-o', 'readonly=on', 'small');
    await assert.rejects(
      openStore('small/thin', store.installation),
      fails('storage_read_only', /zpool export small/),
    );
    assert.equal((await doctor()).status, 'problem');
    zpool('export', 'small');
    zpool('import', '-d', '/root', 'small');
    store = await openStore('small/thin', store.installation);
    assert.deepEqual(await store.storage.list(), before);
  });

  it('says that it is not here, and is found again when it is', async () => {
    const before = await store.storage.list();
    await store.storage.close();
    zpool('export', 'small');
    await assert.rejects(store.storage.list(), fails('storage_failed', /./));
    await assert.rejects(
      openStore('small/thin', store.installation),
      fails('storage_missing', /zpool import small/),
    );
    const check = await doctor();
    assert.deepEqual([check.status, check.fix], ['problem', 'zpool import small']);
    // Without mounting anything, as where a service at the start of the machine does not.
    zpool('import', '-N', '-d', '/root', 'small');
    store = await openStore('small/thin', store.installation);
    assert.deepEqual(await store.storage.list(), before);
    for (const { path } of before) assert.ok(await store.machine.files.read(join(path, 'PG_VERSION')), path);
  });

  it('says that it is suspended instead of waiting, and goes on when its disk has come back', async () => {
    // Its disk is a file of a file system without room: what is written to it fails, as on a disk that is gone.
    command('mkdir', '/disk');
    command('mount', '-t', 'tmpfs', '-o', 'size=160m', 'disk', '/disk');
    command('truncate', '-s', '128M', '/disk/shaky.img');
    zpool('create', '-O', 'mountpoint=/shaky', 'shaky', '/disk/shaky.img');
    zfs('create', 'shaky/thin');
    const shaky = await openStore('shaky/thin');
    const from = await shaky.snapshot();
    fill('/disk/ballast', /ENOSPC/);
    await assert.rejects(shaky.clone(from), fails('storage_suspended', /zpool clear shaky/));
    // At once from now on, and in these words.
    assert.throws(() => zfs('create', 'shaky/more'), /pool I\/O is currently suspended/);
    await assert.rejects(shaky.clone(from), fails('storage_suspended', /zpool status -v shaky/));
    const { status, fix } = await doctor('shaky/thin');
    assert.deepEqual([status, fix], ['problem', 'zpool clear shaky']);
    command('rm', '/disk/ballast');
    zpool('clear', 'shaky');
    await shaky.clone(from);
    await shaky.storage.close();
    zpool('destroy', '-f', 'shaky');
    command('umount', '/disk');
  });

  it('is refused to another installation, and to a dataset that somebody else keeps there', async () => {
    await assert.rejects(openStore('small/thin'), fails('storage_foreign', /./));
    zfs('create', 'small/taken');
    zfs('create', 'small/taken/data');
    await assert.rejects(openStore('small/taken'), fails('storage_foreign', /./));
  });
});
