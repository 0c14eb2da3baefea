import assert from 'node:assert/strict';
import { isFullDisk, isFullState, saysFullDisk, tellFullDisk } from '../../../engine/domain/fullDisk.ts';
import { fail, isFailure } from '../../../engine/protocol/errors.ts';

const withCode = (code: string, message = 'it failed'): Error => Object.assign(new Error(message), { code });

describe('a full disk', () => {
  it('is recognised by the codes of the system and of a database server, also behind other errors', () => {
    for (const code of ['ENOSPC', 'EDQUOT', '53100']) {
      assert.equal(isFullDisk(withCode(code)), true);
      assert.equal(isFullDisk(new Error('the step failed', { cause: withCode(code) })), true);
    }
  });

  it('is recognised where Node has no name for a quota that is used up, as a write and an open told it', () => {
    for (const code of ['UNKNOWN', 'Unknown system error -122']) {
      const error = Object.assign(withCode(code, `${code}, write`), { errno: -122, syscall: 'write' });
      assert.equal(isFullDisk(new Error('the step failed', { cause: error })), true);
    }
  });

  it('is recognised by the words of programs and of server logs', () => {
    for (const text of [
      'btrfs: error: cannot clone: No space left on device',
      "cp: error writing '/pool/a': Disk quota exceeded",
      'ERROR:  could not extend file "base/5/16384": wrote only 4096 of 8192 bytes at block 12',
    ]) {
      assert.equal(saysFullDisk(text), true);
      assert.equal(isFullDisk(new Error(text)), true);
      assert.equal(isFullDisk(text), true);
    }
  });

  it('is nothing else', () => {
    for (const error of [withCode('EACCES'), withCode('53200', 'out of memory'), undefined, new Error('x')])
      assert.equal(isFullDisk(error), false);
  });

  it('is told with its cause, once', () => {
    const cause = withCode('ENOSPC');
    const told = tellFullDisk(cause, '/pool');
    assert.ok(isFailure(told, 'storage_full'));
    assert.equal(told.cause, cause);
    assert.equal(tellFullDisk(told, '/elsewhere'), told);
    const other = withCode('EACCES');
    assert.equal(tellFullDisk(other, '/pool'), other);
  });

  it('of the state is neither one of the data nor the other way round', () => {
    const full = Object.assign(new Error('database or disk is full'), {
      code: 'ERR_SQLITE_ERROR',
      errcode: 13,
    });
    assert.equal(isFullState(full), true);
    assert.equal(isFullDisk(full), false);
    assert.equal(isFullState(withCode('ENOSPC')), false);
    const told = fail('state_full', { path: '/home/state.db' }, { cause: full });
    assert.equal(tellFullDisk(told, '/pool'), told);
  });
});
