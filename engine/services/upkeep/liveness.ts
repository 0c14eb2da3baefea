/** Notices servers that ended by themselves. */
import { tellServers } from '../../domain/cloneRow.ts';
import type { CloneRecord } from '../../state/store.ts';
import type { Servers } from '../clones/servers.ts';
import { all, type ServiceContext } from '../context.ts';
import { quiet } from './quiet.ts';

/** Of a stopped clone some servers may still run. Whoever starts a clone tells how that ended. */
export const withServers = ({ store }: ServiceContext): readonly CloneRecord[] =>
  store.clones
    .list()
    .filter(({ state, members }) =>
      state === 'stopped' ? members.some((member) => member.state === 'ready') : state === 'ready',
    )
    .filter(({ members }) => !members.some(({ state }) => state === 'starting'));

export async function checkAlive(
  context: ServiceContext,
  servers: Servers,
  clone: CloneRecord,
): Promise<void> {
  // Whoever is at work on it tells what comes of that, and may take as long as it likes.
  if (quiet(context, clone) === undefined || clone.members.some((member) => servers.isAtWork(member))) return;
  const running = await all(clone.members, (member) => servers.running(member));
  const current = quiet(context, clone);
  // Nothing ended that was not known to be stopped.
  if (
    current === undefined ||
    current.members.every(({ state }, index) => state !== 'ready' || running[index])
  )
    return;
  if (current.state !== 'ready' && current.state !== 'stopped') return;
  const ended = clone.members.filter((_, index) => running[index] !== true).map(({ name }) => name);
  context.log.warning('a server ended by itself', { clone: clone.id, members: ended });
  const problem = `The server of ${ended.join(', ')} ended. The data is as it was; start it again.`;
  context.store.clones.put(tellServers(current, running, problem));
}
