/** What the clean-up of branches works with. */
import type { Clone } from '../../protocol/entities.ts';
import type { FollowedTree } from '../checkouts/checkouts.ts';
import type { HostClones } from '../checkouts/hostClones.ts';
import type { Hosts } from '../checkouts/hosts.ts';
import type { ServiceContext } from '../context.ts';
import type { CountedTime } from './countedTime.ts';

export interface CleanUpParts {
  context: ServiceContext;
  hosts: Hosts;
  /** The working trees that are followed, of all repositories. */
  followed: () => readonly FollowedTree[];
  time: CountedTime;
}

export type BoundClone = Clone & { repository: string; branch: string };

/** The clones of a host that are bound to branches of repositories of this machine. */
export const boundHere = (at: HostClones): BoundClone[] =>
  at
    .clones()
    .filter(
      (clone): clone is BoundClone =>
        clone.installation === at.bindsAs && clone.repository !== null && clone.branch !== null,
    );
