/** Use cases of clones: create, copy, reset, start, stop, destroy, commit, bind, rename, protect, connect. */
import type { JobKind } from '../../jobs/steps.ts';
import type { Clone, CloneChanges, Connection, Job } from '../../protocol/entities.ts';
import type { Reference } from '../../protocol/ids.ts';
import type { Caller } from '../caller.ts';
import type { ServiceContext } from '../context.ts';
import type { CountedTime } from '../upkeep/countedTime.ts';
import { createBindClone, type BindClone } from './bind.ts';
import { createBranchStarts } from './branchStarts.ts';
import { readCloneChanges } from './changes.ts';
import { createCloneServers } from './cloneServers.ts';
import { createCloneOfClone, type CloneOfClone } from './cloneOfClone.ts';
import { createCommitClone, type CommitRequest } from './commit.ts';
import { createCreateClone, type CreateRequest } from './create.ts';
import { readCloneDefinitions, type Definitions } from './definitions.ts';
import { createDestroyClone } from './destroy.ts';
import { createTurns } from '../turns.ts';
import type { CloneParts } from './parts.ts';
import { protectClone } from './protect.ts';
import { createMoveData, type MoveData } from './move.ts';
import type { MemberReads } from './memberReads.ts';
import { createMemberReads } from './read.ts';
import { createRenameClone, type RenameClone } from './rename.ts';
import { createResetClone, type ResetRequest } from './reset.ts';
import type { Servers } from './servers.ts';
import { createStartClone } from './start.ts';
import { createStopClone } from './stop.ts';
import { createCloneTagging } from './tagging.ts';

export interface Clones {
  create(request: CreateRequest, caller: Caller): Promise<Job>;
  reset(clone: Reference, request: ResetRequest, caller: Caller): Job;
  start(clone: Reference, caller: Caller): Job;
  stop(clone: Reference, caller: Caller): Job;
  destroy(clone: Reference, caller: Caller): Job;
  /** Makes a clone of a clone as it is. */
  copy: CloneOfClone;
  commit(clone: Reference, request: CommitRequest, caller: Caller): Job;
  bind: BindClone['request'];
  rename: RenameClone['request'];
  /** Resolves when the protection stands on the data as well: a state that is lost must not lose it. */
  protect(clone: Reference, minutes: number | 'forever' | null): Promise<Clone>;
  connection(clone: Reference): Connection[];
  /** `counted` is `no` where nobody knows: for one that does not run, or does not answer soon. */
  changes(clone: Reference, signal?: AbortSignal): Promise<CloneChanges>;
  /** To where new data goes, where another storage was in use before. */
  readonly moving: MoveData;
  readonly reads: MemberReads;
  /** What its databases define, for each member. */
  definitions(clone: Reference, signal?: AbortSignal): Promise<Definitions[]>;
  /** For the runner's recovery. */
  readonly kinds: readonly JobKind[];
}

export function createClones(context: ServiceContext, servers: Servers, time: CountedTime): Clones {
  const parts: CloneParts = {
    ...{ context, servers, time },
    cloneServers: createCloneServers(context, servers),
    tagging: createCloneTagging(context),
    oldCopies: createTurns(),
    branchStarts: createBranchStarts(context),
  };
  const create = createCreateClone(parts);
  const reset = createResetClone(parts);
  const start = createStartClone(parts);
  const stop = createStopClone(parts);
  const destroy = createDestroyClone(parts);
  const commit = createCommitClone(parts);
  const bind = createBindClone(parts);
  const rename = createRenameClone(parts);
  const moving = createMoveData(parts);
  const copy = createCloneOfClone(parts, { commit, create });
  return {
    create: (request, caller) => create.request(request, caller),
    reset: (clone, request, caller) => reset.request(clone, request, caller),
    start: (clone, caller) => start.request(clone, caller),
    stop: (clone, caller) => stop.request(clone, caller),
    destroy: (clone, caller) => destroy.request(clone, caller),
    commit: (clone, request, caller) => commit.request(clone, request, caller),
    copy,
    moving,
    bind: (...request) => bind.request(...request),
    rename: (...request) => rename.request(...request),
    protect: (clone, minutes) => protectClone(parts, clone, minutes),
    changes: (clone, signal) => readCloneChanges(parts, clone, signal),
    definitions: (clone, signal) => readCloneDefinitions(parts, clone, signal),
    reads: createMemberReads(context, servers),
    connection(reference) {
      const { members, sealedPassword } = context.catalog.clone(reference);
      const password = context.vault.open(sealedPassword);
      return members.map(({ name, engine, host, port, user, database }) => ({
        ...{ name, engine, host, port, user, database, password },
      }));
    },
    kinds: [
      ...[create.kind, reset.kind, start.kind, stop.kind, destroy.kind, commit.kind],
      ...[bind.kind, rename.kind, moving.kind],
    ],
  };
}
