/** Refuses what is no environment for this version, by name, before it is stored. */
import { memberProblems, type MemberProblem } from '../../domain/memberRules.ts';
import type { EnvironmentDefinition } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import type { ServiceContext } from '../context.ts';

/** Errors: `not_supported`, `invalid_request`, `source_url`. */
export function refuseUnsupported(
  definition: EnvironmentDefinition,
  databases: ServiceContext['databases'],
): void {
  if ((definition.host as string) !== 'local') {
    throw fail('not_supported', { feature: `Host "${definition.host}"`, instead: 'Use host: local.' });
  }
  for (const [name, member] of Object.entries(definition.members)) {
    const database = databases[member.engine];
    if (database === undefined)
      throw fail('not_supported', { feature: `Engine ${member.engine} (member ${name})` });
    if (member.retrieval === 'physical') {
      throw fail('not_supported', {
        feature: `Retrieval physical (member ${name})`,
        instead: 'Use logical.',
      });
    }
    const [foreign] = database.source.foreignTo(member);
    if (foreign !== undefined)
      throw fail('invalid_request', { problems: [`members.${name}.${foreign.key}: ${foreign.reason}`] });
    refuse(memberProblems(member, database.source), name, member.retrieval);
  }
}

/** All that is at the wrong place together; then what is wrong with the URL. */
function refuse(problems: readonly MemberProblem[], member: string, retrieval: string): void {
  const misplaced: string[] = [];
  let url: string | undefined;
  for (const problem of problems) {
    switch (problem.kind) {
      case 'missing':
        misplaced.push(`members.${member}.${problem.key} is missing`);
        break;
      case 'foreign':
        misplaced.push(`members.${member}.${problem.key} does not belong to retrieval ${retrieval}`);
        break;
      case 'password':
        url = `the URL of member ${member} holds a password, which belongs in password`;
        break;
      case 'scheme':
        url = problem.scheme === null ? 'it is not a URL' : `its scheme is ${problem.scheme}`;
        break;
      case 'url':
        url = problem.problem;
    }
  }
  if (misplaced.length > 0) throw fail('invalid_request', { problems: misplaced });
  if (url !== undefined) throw fail('source_url', { problem: url });
}
