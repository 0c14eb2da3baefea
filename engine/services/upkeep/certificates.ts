/** Renews the certificate for TLS before it ends, and has the servers that run read the new one. */
import { toFailure } from '../../protocol/errors.ts';
import { startOptions } from '../clones/cloneServers.ts';
import type { Servers } from '../clones/servers.ts';
import { databaseOf, type ServiceContext } from '../context.ts';

export function createCertificateLook(context: ServiceContext, servers: Servers): () => Promise<void> {
  const { certificates, store, log } = context;
  return async () => {
    if (!(await certificates.renew())) return;
    for (const clone of store.clones.list()) {
      for (const member of clone.members.filter(({ state }) => state === 'ready')) {
        try {
          const spec = await servers.spec(member, startOptions(context, clone));
          await databaseOf(context, member.engine).reload(spec);
        } catch (error) {
          // One that ends at this moment reads it when it starts.
          log.warning('a server keeps its certificate of before', {
            ...{ clone: clone.id, member: member.name, problem: toFailure(error).message },
          });
        }
      }
    }
  };
}
