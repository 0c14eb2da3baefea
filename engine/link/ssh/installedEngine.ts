/** The engine that is installed on a host: its own command `thin-clones`. */
import { fail } from '../../protocol/errors.ts';
import type { FarWork } from './sshLink.ts';

/** Logins without a terminal often have a shorter PATH than those that people use. */
const script = `PATH="$PATH:$HOME/.local/bin:/usr/local/bin"
if command -v thin-clones >/dev/null 2>&1; then echo found; exec thin-clones engine bridge; else echo missing; fi
`;

export const installedEngine: FarWork = {
  script,
  async converse(far, { host, onProgress }) {
    onProgress('Starting the engine there');
    const line = await far.line();
    if (line === 'found') return;
    throw line === 'missing'
      ? fail('host_without_engine', { host })
      : fail('host_shell', { host, problem: `it answered ${JSON.stringify(line ?? 'nothing')}` });
  },
};
