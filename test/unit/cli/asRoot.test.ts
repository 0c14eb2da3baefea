import assert from 'node:assert/strict';
import { rootCommand } from '../../../engine/cli/asRoot.ts';

describe('what lets root run a script', () => {
  const file = "/home/o'brien/thin clones/engine/storage-setup.sh";

  it('is sudo, which asks at this terminal', () => {
    assert.deepEqual(rootCommand(file, {}), { program: 'sudo', args: ['--', '/bin/sh', file] });
  });

  it('is Windows where this is its Linux, for this distribution, without a password', () => {
    assert.deepEqual(rootCommand(file, { WSL_DISTRO_NAME: 'Ubuntu-24.04' }), {
      program: 'wsl.exe',
      args: ['-d', 'Ubuntu-24.04', '-u', 'root', '-e', '/bin/sh', file],
    });
  });
});
