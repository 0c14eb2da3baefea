/** What an environment's definition has to be before it is stored: what this version can't do is refused by name. */
import type { SourceRules } from '../../database/database.ts';
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
    const needed = { logical: 'url', dump: 'dump', directory: 'directory' } as const;
    const key = needed[member.retrieval];
    const problems = [
      ...(member[key] === undefined ? [`members.${name}.${key} is missing`] : []),
      ...(['url', 'dump', 'directory'] as const)
        .filter((other) => other !== key && member[other] !== undefined)
        .map((other) => `members.${name}.${other} does not belong to retrieval ${member.retrieval}`),
    ];
    if (problems.length > 0) throw fail('invalid_request', { problems });
    if (member.url !== undefined) refusePassword(member.url, name, database.source);
  }
}

function refusePassword(url: string, member: string, { urlSchemes }: SourceRules): void {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    throw fail('source_url', { problem: 'it is not a URL' }, { cause: error });
  }
  const scheme = parsed.protocol.slice(0, -1);
  if (!urlSchemes.includes(scheme)) {
    throw fail('source_url', { problem: `its scheme is ${scheme}` });
  }
  if (parsed.password !== '' || parsed.searchParams.has('password')) {
    throw fail('source_url', {
      problem: `the URL of member ${member} holds a password, which belongs in password`,
    });
  }
}
