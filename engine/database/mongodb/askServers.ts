/** What is asked of servers that run: to write out what they hold, who is there, what a database defines. */
import type { Machine } from '../../machine/machine.ts';
import { fail } from '../../protocol/errors.ts';
import type { ServerSpec } from '../../runtime/runtime.ts';
import type { Database } from '../database.ts';
import { readSecret, withAdmin } from './admin.ts';
import { describeDatabase } from './collections.ts';
import { connectionsTo } from './connections.ts';
import { flavourOf } from './serverSpec.ts';

/** Writing out all that gigabytes of a cache hold, to a slow disk. */
const FLUSH_MS = 600_000;

type Questions = Pick<Database, 'flush' | 'reload' | 'connections' | 'changes' | 'read' | 'definitions'>;

export function askServers(machine: Machine): Questions {
  const session = async (spec: ServerSpec, timeoutMs: number, signal: AbortSignal | undefined) => ({
    ...{ spec, flavour: flavourOf(spec), timeoutMs, signal },
    secret: await readSecret(machine, spec.dataDirectory),
  });

  return {
    async flush(spec, signal) {
      signal?.throwIfAborted();
      if (!flavourOf(spec).abilities.fsync) return;
      await withAdmin(await session(spec, FLUSH_MS, signal), (client) =>
        client.db('admin').command({ fsync: 1 }),
      );
    },

    async reload(_spec, signal) {
      signal?.throwIfAborted();
    },

    async connections(spec, signal) {
      signal?.throwIfAborted();
      const { port } = spec;
      if (port === null) return 0;
      // Ours go by the socket. Where nobody can tell, it is in use.
      return (await connectionsTo(machine, port)) ?? 1;
    },

    /** Servers of this protocol don't count what was written in a way that a copy could be told by. */
    async changes(_spec, _started, signal) {
      signal?.throwIfAborted();
      return { counted: 'no', tables: [], schema: false };
    },

    async read(spec, database, _statements, signal) {
      signal?.throwIfAborted();
      throw fail('read_failed', { server: spec.title, database, problem: 'it has no tables.' });
    },

    async definitions(spec, database, signal) {
      signal?.throwIfAborted();
      try {
        return await withAdmin(await session(spec, FLUSH_MS, signal), (client) =>
          describeDatabase(client, database, signal),
        );
      } catch (error) {
        signal?.throwIfAborted();
        const problem = error instanceof Error ? error.message : String(error);
        throw fail('read_failed', { server: spec.title, database, problem }, { cause: error });
      }
    },
  };
}
