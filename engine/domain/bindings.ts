/** What a clone is bound to: a branch of a repository of an installation, which is the holder's own where none is named. */
import type { Clone } from '../protocol/entities.ts';
import type { InstallationId } from '../protocol/ids.ts';

export interface Binding {
  /** None: that of the engine that has the clone. */
  installation?: InstallationId | null | undefined;
  repository: string;
  branch: string;
}

type Bound = Pick<Clone, 'installation' | 'repository' | 'branch'>;

export function bindingOf({ installation, repository, branch }: Bound): Binding | undefined {
  return repository === null || branch === null ? undefined : { installation, repository, branch };
}

export const isBoundTo = (clone: Bound, binding: Binding): boolean =>
  clone.installation === (binding.installation ?? null) &&
  clone.repository === binding.repository &&
  clone.branch === binding.branch;

/** What a row says of a binding; undefined: of none. */
export const boundRow = (binding: Binding | undefined): Bound => ({
  installation: binding?.installation ?? null,
  repository: binding?.repository ?? null,
  branch: binding?.branch ?? null,
});
