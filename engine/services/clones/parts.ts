/** What the kinds of jobs on clones work with. */
import type { ServiceContext } from '../context.ts';
import type { CountedTime } from '../upkeep/countedTime.ts';
import type { BranchStarts } from './branchStarts.ts';
import type { CloneServers } from './cloneServers.ts';
import type { CloneId } from '../../protocol/ids.ts';
import type { Turns } from '../turns.ts';
import type { Servers } from './servers.ts';
import type { CloneTagging } from './tagging.ts';

export interface CloneParts {
  readonly context: ServiceContext;
  /** Of single members. */
  readonly servers: Servers;
  /** Of whole clones. */
  readonly cloneServers: CloneServers;
  readonly tagging: CloneTagging;
  /** For who removes what resets replaced: after the end of one, and when the clone is destroyed. */
  readonly oldCopies: Turns<CloneId>;
  readonly branchStarts: BranchStarts;
  readonly time: CountedTime;
}
