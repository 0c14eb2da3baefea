/** What a new branch's clone starts from: the state of another clone, kept as a snapshot, or the latest snapshot. */
import { bindingKeyOf } from '../../domain/branches.ts';
import type { Clone } from '../../protocol/entities.ts';
import type { CloneId, EnvironmentName } from '../../protocol/ids.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import type { HostClones } from './hostClones.ts';
import { cloneOfBranch } from './hosts.ts';

export interface OriginRequest {
  /** The host that has the environment. */
  at: HostClones;
  environment: EnvironmentName;
  /** `latest`, `current` or a branch. */
  from: string;
  checkout: CheckoutRecord;
  /** The clone that was in use before. */
  previous: CloneId | null;
  /** Patterns of branches that share a clone. */
  shared: readonly string[];
}

/** The clone whose state a new one starts from; undefined: the latest snapshot. */
export function originOf({
  at,
  from,
  previous,
  checkout: { repository },
  environment,
  shared,
}: OriginRequest): Clone | undefined {
  if (from === 'latest') return undefined;
  if (from !== 'current') return cloneOfBranch(at, environment, repository, bindingKeyOf(from, shared));
  const found = previous === null ? undefined : at.clone(previous);
  return found?.environment === environment ? found : undefined;
}
