/** A branch that is gone because it has another name now keeps its clone, also before it is checked out again. */
import { isPattern } from '../../domain/branches.ts';
import type { RepositoryReport, WorkingTree } from '../../git/git.ts';
import { toFailure } from '../../protocol/errors.ts';
import type { CloneId } from '../../protocol/ids.ts';
import type { HostClones } from '../checkouts/hostClones.ts';
import { bindingAt } from '../checkouts/hosts.ts';
import type { ServiceContext } from '../context.ts';
import type { BoundClone } from './cleanUpParts.ts';

/** The clones that were taken along, or will be. */
export async function takeRenamedAlong(
  { git, log }: Pick<ServiceContext, 'git' | 'log'>,
  at: HostClones,
  tree: WorkingTree,
  { branches }: RepositoryReport,
  bound: readonly BoundClone[],
): Promise<Set<CloneId>> {
  const taken = new Set<CloneId>();
  const lost = bound.filter(
    ({ branch }) => !isPattern(branch) && !branches.some(({ name }) => name === branch),
  );
  if (lost.length === 0) return taken;
  for (const { name } of branches) {
    const hasOne = new Set(bound.filter(({ branch }) => branch === name).map((each) => each.environment));
    const open = lost.filter(({ id, environment }) => !taken.has(id) && !hasOne.has(environment));
    if (open.length === 0) continue;
    const former = await git.formerNames(tree, name);
    for (const environment of new Set(open.map((each) => each.environment))) {
      const clone = former
        .map((before) => open.find((each) => each.environment === environment && each.branch === before))
        .find((each) => each !== undefined);
      if (clone === undefined) continue;
      taken.add(clone.id);
      try {
        const to = bindingAt(at, tree.commonDirectory, name);
        await at.bind(clone.id, to, undefined, clone.createdBy);
      } catch (error) {
        // best effort: it is busy, and taken along at the next look
        log.info('a renamed branch', { clone: clone.id, problem: toFailure(error).message });
      }
    }
  }
  return taken;
}
