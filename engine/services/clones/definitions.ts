/** What the databases of a clone define, for a comparison with another one. */
import { fail } from '../../protocol/errors.ts';
import type { Reference } from '../../protocol/ids.ts';
import type { MemberName } from '../../protocol/ids.ts';
import { all, databaseOf } from '../context.ts';
import { startOptions } from './cloneServers.ts';
import type { CloneParts } from './parts.ts';

export interface Definitions {
  member: MemberName;
  database: string;
  text: string;
}

/** Errors: `clone_not_ready`, `read_failed`, `programs_missing`. */
export async function readCloneDefinitions(
  { context, servers }: Pick<CloneParts, 'context' | 'servers'>,
  reference: Reference,
  signal: AbortSignal | undefined,
): Promise<Definitions[]> {
  const clone = context.catalog.clone(reference);
  if (clone.state !== 'ready') throw fail('clone_not_ready', { clone: clone.name, state: clone.state });
  const options = startOptions(context, clone);
  return await all(clone.members, async (member) => {
    const spec = await servers.spec(member, options);
    const text = await databaseOf(context, member.engine).definitions(spec, member.database, signal);
    return { member: member.name, database: member.database, text };
  });
}
