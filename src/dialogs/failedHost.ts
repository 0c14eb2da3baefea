/** Which host an error is about: the one whose doctor can say more. */
import type { Environment, ErrorDocument, Job } from '../../engine/protocol/entities.ts';

/** Undefined when nothing tells. A host of a source, which other errors name too, is none of ours. */
export function failedHost(
  { code, details }: ErrorDocument,
  job: Job | undefined,
  environments: ReadonlyMap<string, Environment>,
): string | undefined {
  if (code.startsWith('host_') && typeof details.host === 'string') return details.host;
  const named = typeof details.environment === 'string' ? details.environment : undefined;
  return environments.get(job?.environment ?? named ?? '')?.definition.host;
}
