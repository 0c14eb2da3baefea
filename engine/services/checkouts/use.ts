/** Uses a clone in a checkout: the branch's own, made when there is none, or one that a person names; and stops using it. */
import { bindingKeyOf } from '../../domain/branches.ts';
import { bindingOf, type Binding } from '../../domain/bindings.ts';
import { busyWith } from '../../jobs/runner.ts';
import { fail } from '../../protocol/errors.ts';
import type { EnvironmentName, Reference } from '../../protocol/ids.ts';
import type { Clone } from '../../protocol/entities.ts';
import type { Follower } from './follower.ts';
import type { HostClones } from './hostClones.ts';
import { bindingAt, cloneOfBranch, type Hosts } from './hosts.ts';
import { standsAt } from './sight.ts';

/** The host that has the environment of a checkout. */
const hostOf = (hosts: Hosts, follower: Follower): HostClones => hosts.of(follower.environment());

const boundClone = (hosts: Hosts, follower: Follower, key: string): Clone | undefined =>
  cloneOfBranch(hostOf(hosts, follower), follower.environment(), follower.record().repository, key);

/** Branch, or pattern of branches that share a clone. */
const keyOf = (follower: Follower, branch: string): string =>
  bindingKeyOf(branch, follower.workspace()?.branches?.shared ?? []);

/** The branch's own clone. Errors: `no_branch`, `no_clone_for_branch`. */
export async function useBranchClone(
  hosts: Hosts,
  follower: Follower,
  from: string | undefined,
): Promise<void> {
  refuseWithoutBranch(follower);
  refuseWithoutStart(hosts, follower, from);
  const head = follower.head();
  const branch = head.kind === 'branch' ? head.branch : '';
  const key = keyOf(follower, branch);
  // Who asks for a clone takes back that the branch was to have none.
  follower.change({
    chosen: null,
    answers: follower.record().answers.filter(({ pattern }) => pattern !== branch && pattern !== key),
    // Back to what the file says, unless that is off.
    ...(follower.entity().follow === 'off'
      ? { follow: follower.workspace()?.follow === 'off' ? ('ask' as const) : null }
      : {}),
  });
  await follower.answerNow('clone', from);
}

/** Errors: `clone_foreign`, `clone_bound_elsewhere`, `clone_lent`, those of binding. */
export async function useNamedClone(
  hosts: Hosts,
  follower: Follower,
  others: readonly Follower[],
  reference: Reference,
): Promise<void> {
  const at = hostOf(hosts, follower);
  const clone = theClone(hosts, at, reference, follower.environment());
  refuseForeign(at, follower, others, clone);
  const { repository, answers } = follower.record();
  const head = follower.head();
  const isFollowed = follower.entity().follow !== 'off';
  const branch = head.kind === 'branch' ? head.branch : null;
  if (!isFollowed || branch === null || clone.branch !== null) {
    // Another branch's clone is lent, not taken away; and without a branch there is nothing to bind to.
    follower.change({ chosen: { clone: clone.id, head: isFollowed ? standsAt(head) : null } });
  } else {
    const to = bindingAt(at, repository, keyOf(follower, branch));
    const before = boundClone(hosts, follower, to.branch);
    if (before === undefined) await follower.bind(clone, to);
    else await bindInstead(at, follower, before, clone, to);
    follower.change({ chosen: null, answers: answers.filter(({ pattern }) => pattern !== branch) });
  }
  await follower.askFor();
}

/** Takes back a clone that was chosen, else unbinds the branch's. Errors: `no_clone_for_branch`. */
export async function stopUsing(hosts: Hosts, follower: Follower): Promise<void> {
  const { chosen, path, answers } = follower.record();
  const { key } = follower.entity();
  const head = follower.head();
  const bound = key === null ? undefined : boundClone(hosts, follower, key);
  if (chosen === null && bound === undefined)
    throw fail('no_clone_for_branch', {
      path,
      branch: head.kind === 'branch' ? head.branch : 'without a name',
      reason: 'there is none to unbind',
    });
  if (chosen !== null) {
    follower.change({ chosen: null });
  } else if (bound !== undefined && key !== null) {
    // First: else another clone would be made at once. A branch's own clone counts more, as long as it is bound.
    follower.change({
      answers: [...answers.filter(({ pattern }) => pattern !== key), { pattern: key, answer: 'none' }],
    });
    // Nor does it get one because a person once asked for it.
    await follower.answerNow('none');
    await follower.bind(bound, null);
  }
  await follower.retry();
}

/** A branch that a person named, and not a setting for whatever is there, is not to be taken for the latest snapshot. */
export function refuseWithoutStart(hosts: Hosts, follower: Follower, from: string | undefined): void {
  if (from === undefined || from === 'latest' || from === 'current') return;
  if (boundClone(hosts, follower, keyOf(follower, from)) !== undefined) return;
  throw fail('no_clone_for_branch', {
    ...{ path: follower.record().path, branch: from },
    reason: 'no other branch can start from its state',
  });
}

function refuseWithoutBranch(follower: Follower): void {
  const head = follower.head();
  if (head.kind === 'branch') return;
  const reason =
    head.kind === 'unreadable'
      ? head.problem
      : head.tool === 'jj'
        ? 'no bookmark of jj is at the working copy or before it'
        : `HEAD is detached at ${head.commit.slice(0, 10)}`;
  throw fail('no_branch', { path: follower.record().path, reason });
}

/** Errors: `not_found`; `clone_foreign` for one of another host. */
function theClone(hosts: Hosts, at: HostClones, reference: Reference, wanted: EnvironmentName): Clone {
  try {
    return at.find(reference);
  } catch (error) {
    for (const other of hosts.all()) {
      const found = other.clones().find((each) => [each.id, other.nameOf(each)].includes(reference));
      if (found === undefined) continue;
      throw fail('clone_foreign', { clone: other.nameOf(found), environment: found.environment, wanted });
    }
    throw error;
  }
}

function refuseForeign(at: HostClones, follower: Follower, others: readonly Follower[], clone: Clone): void {
  const { repository } = follower.record();
  const wanted = follower.environment();
  const { environment } = clone;
  const name = at.nameOf(clone);
  if (environment !== wanted) throw fail('clone_foreign', { clone: name, environment, wanted });
  const binding = bindingOf(clone);
  const isOurs = binding?.repository === repository && binding.installation === at.bindsAs;
  if (binding !== undefined && !isOurs)
    throw fail('clone_bound_elsewhere', {
      ...{ clone: name, branch: binding.branch, repository: binding.repository },
      // The same folder on another machine is another repository.
      ...(binding.installation !== at.bindsAs && { elsewhere: true }),
    });
  // It has one password, and that of this repository would end their logins.
  const lentTo = others.find(
    (each) => each.entity().clone === clone.id && each.record().repository !== repository,
  );
  if (lentTo !== undefined) throw fail('clone_lent', { clone: name, path: lentTo.record().path });
}

/** Or everything is as it was: a branch that lost its clone would get a new one. */
async function bindInstead(
  at: HostClones,
  follower: Follower,
  before: Clone,
  clone: Clone,
  to: Binding,
): Promise<void> {
  const holder = at.jobOn(clone);
  if (holder !== undefined) throw busyWith(holder, { kind: 'clone', name: at.nameOf(clone) });
  await follower.holdBack(async () => {
    await follower.bind(before, null);
    try {
      await follower.bind(clone, to);
    } catch (error) {
      await follower.bind(before, to);
      throw error;
    }
  });
}
