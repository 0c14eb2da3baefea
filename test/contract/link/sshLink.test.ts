import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSshLink } from '../../../engine/link/ssh/sshLink.ts';
import { noSecondHost, startSecondHost } from '../../hosts/machines/secondHost.ts';
import { skipSuite } from '../../support/skips.ts';
import { describeLink } from './link.contract.ts';

describe('over ssh', () => {
  before(async function () {
    const reason = await noSecondHost();
    if (reason !== undefined) skipSuite(this, reason);
  });

  describeLink('ssh', async () => {
    const host = await startSecondHost({ accounts: [{ name: 'ann', shell: '/bin/sh' }] });
    const { file } = await host.clientConfig();
    const farEnd = join(import.meta.dirname, 'farEnd.mjs');
    const [user = ''] = host.users;
    return {
      link: (mode) =>
        createSshLink({
          name: 'far',
          address: { user, host: 'big' },
          work: {
            script: `exec '${process.execPath}' '${farEnd}' ${mode}`,
            converse: async () => undefined,
          },
          environment: process.env,
          configFile: file,
        }),
      farEnds: () => processesWith(farEnd),
      dispose: () => host.close(),
    };
  });
});

async function processesWith(argument: string): Promise<number> {
  let count = 0;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    // best effort: a process that ended meanwhile is none.
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words[0]?.endsWith('node') === true && words[1] === argument) count += 1;
  }
  return count;
}
