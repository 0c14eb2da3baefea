/** Which host has what a checkout uses: this machine first, then the others. */
import { isBoundTo, type Binding } from '../../domain/bindings.ts';
import type { Clone } from '../../protocol/entities.ts';
import type { EventBody } from '../../protocol/events.ts';
import { fail } from '../../protocol/errors.ts';
import type { CloneId, EnvironmentName, HostName } from '../../protocol/ids.ts';
import type { HostClones, OtherHosts, UsedEnvironment } from './hostClones.ts';

export interface Hosts {
  readonly own: HostClones;
  all(): readonly HostClones[];
  ready(): Promise<void>;
  /** What the other ones tell. */
  subscribe(listener: (event: EventBody) => void): () => void;
  /** The one whose environment that is, by its name; this machine for all others. */
  of(environment: EnvironmentName): HostClones;
  environment(name: EnvironmentName): UsedEnvironment | undefined;
  environments(): readonly UsedEnvironment[];
  /**
   * What a file or a person means by a name: that of this machine; else, without its host, the only one that other hosts have of this
   * name. Undefined: there is none, or more than one.
   */
  meant(name: string): EnvironmentName | undefined;
  holding(clone: CloneId): { at: HostClones; clone: Clone } | undefined;
}

export function createHosts(own: HostClones, others: OtherHosts): Hosts {
  const all = (): readonly HostClones[] => [own, ...others.list()];
  const environments = (): UsedEnvironment[] => all().flatMap((at) => at.environments());
  const of: Hosts['of'] = (environment) =>
    others.list().find(({ host }) => host !== null && environment.startsWith(`${host}/`)) ?? own;
  const environment: Hosts['environment'] = (name) =>
    of(name)
      .environments()
      .find((each) => each.name === name);
  return {
    own,
    all,
    ready: () => others.ready(),
    subscribe: (listener) => others.subscribe(listener),
    of,
    environment,
    environments,
    meant(wanted) {
      const name = wanted as EnvironmentName;
      // Of a host that was not heard of yet, its word is taken.
      if (environment(name) !== undefined || of(name) !== own) return name;
      const elsewhere = others
        .list()
        .flatMap((at) =>
          at.environments().filter((each) => each.name === (`${at.host ?? ''}/${wanted}` as EnvironmentName)),
        );
      return elsewhere.length === 1 ? elsewhere[0]?.name : undefined;
    },
    holding(id) {
      for (const at of all()) {
        const clone = at.clone(id);
        if (clone !== undefined) return { at, clone };
      }
      return undefined;
    },
  };
}

/** Errors: `not_found`. */
export function theEnvironment(hosts: Hosts, reference: string): EnvironmentName {
  const name = hosts.meant(reference);
  if (name !== undefined && (hosts.environment(name) ?? hosts.of(name).outOfReach()) !== undefined)
    return name;
  const known = hosts.environments().map((each) => each.name);
  throw fail('not_found', { kind: 'environment', name: reference, known });
}

/** What a clone of that host says when it is bound to a branch of a repository here. */
export const bindingAt = (
  { bindsAs }: Pick<HostClones, 'bindsAs'>,
  repository: string,
  branch: string,
): Binding => ({ installation: bindsAs, repository, branch });

/** Bound to any branch of a repository of this machine. */
export const clonesOfRepository = (at: Pick<HostClones, 'clones' | 'bindsAs'>, repository: string): Clone[] =>
  at
    .clones()
    .filter(
      (clone) =>
        clone.installation === at.bindsAs && clone.repository === repository && clone.branch !== null,
    );

export const cloneOfBranch = (
  at: Pick<HostClones, 'clones' | 'bindsAs'>,
  environment: EnvironmentName,
  repository: string,
  branch: string,
): Clone | undefined =>
  at
    .clones()
    .find(
      (clone) => clone.environment === environment && isBoundTo(clone, bindingAt(at, repository, branch)),
    );

/** Whether what is known of a host (undefined: of any other one) may matter to who uses this environment, or none. */
export function isConcerned(
  hosts: Hosts,
  used: EnvironmentName | undefined,
  host: HostName | undefined,
): boolean {
  // Who has none may find one there.
  if (used === undefined || hosts.environment(used) === undefined) return true;
  const its = hosts.of(used).host;
  return its !== null && its === (host ?? its);
}
