/** How PostgreSQL servers show themselves on a machine, and which signals stop them. */
import type { ServerTraits } from '../../runtime/runtime.ts';

export const postgresServerTraits: ServerTraits = {
  pidFile: 'postmaster.pid',
  dataFile: 'PG_VERSION',
  isSocketFile: (name) => name.startsWith('.s.PGSQL.'),
  isServer: (commandLine, { identity, dataDirectory }) =>
    commandLine.includes(dataDirectory) && commandLine.includes(`cluster_name=${identity}`),
  // Children of a postmaster write over their environment, so marks there are lost; but their title is
  // `postgres: CLUSTER_NAME: ...` (src/backend/utils/misc/ps_status.c), also after the postmaster is gone.
  isProcessTitle: (title, identity) => title.startsWith(`postgres: ${identity}: `),
  // https://www.postgresql.org/docs/current/server-shutdown.html: fast, and immediate.
  stopSignals: { clean: 'SIGINT', immediate: 'SIGQUIT' },
};
