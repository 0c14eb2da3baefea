import assert from 'node:assert/strict';
import { sshArguments } from '../../../../engine/link/ssh/sshLink.ts';

describe('the arguments of ssh', () => {
  it('let no text of a host reach cmd.exe, which runs the program that asks on Windows', () => {
    const has = (asks: boolean, isWindows: boolean): boolean =>
      sshArguments({ address: { host: 'big' } }, asks, 1, isWindows).includes(
        'KbdInteractiveAuthentication=no',
      );
    assert.deepEqual([has(true, true), has(false, true), has(true, false)], [true, true, false]);
  });
});
