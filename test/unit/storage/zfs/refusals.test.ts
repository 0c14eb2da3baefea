import assert from 'node:assert/strict';
import { isFailure, type ErrorCode } from '../../../../engine/protocol/errors.ts';
import { refusalOf } from '../../../../engine/storage/zfs/refusals.ts';

/** What OpenZFS 2.1.11 and sudo 1.9.13 said in the C locale, each with exit code 1. */
const recorded: readonly (readonly [command: string, said: string, code: ErrorCode])[] = [
  [
    'zfs rename tank/thin/data/b tank/thin/trash/b.1',
    "cannot unmount '/tank/thin/data/b': pool or dataset is busy",
    'storage_busy',
  ],
  [
    'zfs destroy tank/thin/trash/a.1@%',
    'cannot destroy snapshot tank/thin/trash/a.1@kept: dataset is busy',
    'storage_busy',
  ],
  [
    'zfs destroy -r tank/thin/data/a',
    "cannot destroy 'tank/thin/data/a': filesystem has dependent clones\nuse '-R' to destroy the following datasets:\ntank/thin/trash/b.1",
    'storage_has_clones',
  ],
  [
    'zfs destroy tank/thin/data/a@kept',
    "cannot destroy 'tank/thin/data/a@kept': snapshot has dependent clones\nuse '-R' to destroy the following datasets:\ntank/thin/trash/b.1",
    'storage_has_clones',
  ],
  [
    'zfs destroy tank/thin/data/n',
    "cannot destroy 'tank/thin/data/n': filesystem has children\nuse '-r' to destroy the following datasets:\ntank/thin/data/n/child\ntank/thin/data/n@1",
    'storage_has_clones',
  ],
  [
    'zfs rollback tank/thin/data/n@1',
    "cannot rollback to 'tank/thin/data/n@1': more recent snapshots or bookmarks exist\nuse '-r' to force deletion of the following snapshots and bookmarks:\ntank/thin/data/n@2",
    'storage_newer_snapshot',
  ],
  ['zfs create tank/thin/data/full', "cannot create 'tank/thin/data/full': out of space", 'storage_full'],
  ['zfs snapshot tank/thin/data/n@full', 'cannot create snapshots : out of space', 'storage_full'],
  [
    'zfs clone tank/q/d@1 tank/q/e',
    "cannot mount '/tank/q/e': failed to create mountpoint: Disk quota exceeded\nfilesystem successfully created, but not mounted",
    'storage_quota',
  ],
  [
    'zfs create tank/thin/data/q',
    "cannot mount '/tank/thin/data/q': failed to create mountpoint: Read-only file system\nfilesystem successfully created, but not mounted",
    'storage_read_only',
  ],
  ['zfs snapshot tank/thin@ro', 'cannot create snapshots : pool is read-only', 'storage_read_only'],
  [
    'zfs rename tank/thin/data/p tank/thin/trash/p',
    "cannot rename 'tank/thin/data/p': pool is read-only",
    'storage_read_only',
  ],
  ['zfs list tank/thin', "cannot open 'tank/thin': dataset does not exist", 'storage_missing'],
  ['zfs create nopool/x', "cannot create 'nopool/x': no such pool 'nopool'", 'storage_missing'],
  ['zfs create tank/no/such', "cannot create 'tank/no/such': parent does not exist", 'storage_missing'],
  [
    'zfs destroy tank/thin/trash/b.1@%',
    'could not find any snapshots to destroy; check snapshot names.',
    'storage_missing',
  ],
  [
    'zfs release nope tank/thin/trash/a.1@kept',
    "cannot release hold from snapshot 'tank/thin/trash/a.1@kept': no such tag on this dataset",
    'storage_missing',
  ],
  [
    'zfs create tank/thin/data/a',
    "cannot create 'tank/thin/data/a': dataset already exists",
    'storage_exists',
  ],
  [
    'zfs hold thin-clones tank/thin/data/a@kept',
    "cannot hold snapshot 'tank/thin/data/a@kept': tag already exists on this dataset",
    'storage_exists',
  ],
  ['zfs create tank/p', "cannot create 'tank/p': permission denied", 'storage_rights'],
  [
    'zfs clone, as delegated by zfs allow',
    'filesystem successfully created, but it may only be mounted by root',
    'storage_rights',
  ],
  ['sudo -n -- /usr/sbin/zfs destroy tank/thin', 'sudo: a password is required', 'storage_rights'],
  [
    'zfs create shaky/more',
    "cannot create 'shaky/more': pool I/O is currently suspended",
    'storage_suspended',
  ],
  [
    'zfs set readonly=on shaky/thin',
    "cannot open 'shaky/thin': pool I/O is currently suspended",
    'storage_suspended',
  ],
  ['zpool sync shaky', "sync 'shaky' failed: pool I/O is currently suspended", 'storage_suspended'],
  ['zfs create tank/', "cannot create 'tank/': trailing slash in name", 'storage_failed'],
  ['zfs mount tank/thin', "cannot mount 'tank/thin': filesystem already mounted", 'storage_failed'],
];

describe('what ZFS refuses', () => {
  for (const [command, said, code] of recorded)
    it(`is ${code} with a way out: ${command}`, () => {
      const failure = refusalOf('tank/thin/data/x', `${said}\n`, 'code 1');
      assert.ok(isFailure(failure, code), String(failure));
      assert.match(failure.document.next, /\S/);
      assert.match(
        String(failure.cause),
        new RegExp(said.split('\n')[0]?.slice(-15).replace(/[.;']/g, '.') ?? ''),
      );
      assert.equal(refusalOf('tank/thin/data/x', `${said}\n`, 'code 1').message.includes('undefined'), false);
    });

  it('tells how it ended when nothing was said', () => {
    assert.match(refusalOf('tank/x', '', 'SIGKILL').message, /SIGKILL/);
  });

  it('names commands that can be pasted, also for a name with a space', () => {
    const failure = refusalOf('tank/my data', "cannot open 'tank/my data': dataset does not exist", 'code 1');
    assert.ok(isFailure(failure, 'storage_missing'));
    assert.match(failure.document.next, /zpool import tank\b.*zfs create -p 'tank\/my data'/);
  });
});
