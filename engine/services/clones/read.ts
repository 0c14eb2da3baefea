/** Reads in the database of a clone's member, without a chance to change it. */
import { isDurable } from '../../domain/durability.ts';
import type { Clone } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { databaseOf, type ServiceContext } from '../context.ts';
import type { MemberReads } from './memberReads.ts';
import { memberOf } from './rows.ts';
import type { Servers } from './servers.ts';

export const stateProblem = ({ name, state }: Pick<Clone, 'name' | 'state'>): string | null =>
  state === 'ready' ? null : `the clone ${name} is ${state}`;

export function createMemberReads(
  context: Pick<ServiceContext, 'catalog' | 'databases'>,
  servers: Pick<Servers, 'spec' | 'running'>,
): MemberReads {
  const problem: MemberReads['problem'] = async (clone, member) => {
    const ofState = stateProblem(clone);
    if (ofState !== null) return ofState;
    const isUp = member.state === 'ready' && (await servers.running(member));
    return isUp ? null : `${member.name} of the clone ${clone.name} does not run`;
  };
  return {
    problem,
    async read(clone, name, statements, signal) {
      const member = memberOf(clone, name);
      const found = await problem(clone, member);
      if (found !== null)
        throw fail('read_failed', { server: clone.name, database: member.database, problem: found });
      const durable = isDurable(context.catalog.environment(clone.environment).definition);
      const spec = await servers.spec(member, { title: clone.name, durable });
      return databaseOf(context, member.engine).read(spec, member.database, statements, signal);
    },
  };
}
