/** What a new branch's clone starts from: the state of another clone, kept as a snapshot, or the latest snapshot. */
import { bindingKeyOf } from '../../domain/branches.ts';
import type { CloneId, EnvironmentName } from '../../protocol/ids.ts';
import type { CheckoutRecord, CloneRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';

export interface OriginRequest {
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
export function originOf(
  { store, catalog }: Pick<ServiceContext, 'store' | 'catalog'>,
  { from, previous, checkout, environment, shared }: OriginRequest,
): CloneRecord | undefined {
  if (from === 'latest') return undefined;
  const found =
    from === 'current'
      ? store.clones.list().find(({ id }) => id === previous)
      : catalog.clonesOfBranch(environment, {
          repository: checkout.repository,
          branch: bindingKeyOf(from, shared),
        })[0];
  return found?.environment === environment ? found : undefined;
}
