/** What the clean-up of branches works with. */
import type { CloneRecord } from '../../state/store.ts';
import type { FollowedTree } from '../checkouts/checkouts.ts';
import type { Clones } from '../clones/clones.ts';
import type { ServiceContext } from '../context.ts';
import type { CountedTime } from './countedTime.ts';

export interface CleanUpParts {
  context: ServiceContext;
  clones: Clones;
  /** The working trees that are followed, of all repositories. */
  followed: () => readonly FollowedTree[];
  time: CountedTime;
}

export type BoundRecord = CloneRecord & { repository: string; branch: string };
