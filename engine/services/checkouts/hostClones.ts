/** The port to the clones of one host, as checkouts use them: what is there, what its engine is asked for, and how servers are reached. */
import type { Binding } from '../../domain/bindings.ts';
import type { OutOfReach } from '../../domain/leading.ts';
import type { EndpointTarget } from '../../endpoint/endpoint.ts';
import type { Clone, CloneMember, Environment, Job, Snapshot } from '../../protocol/entities.ts';
import type { EventBody } from '../../protocol/events.ts';
import type { MemberReads } from '../clones/memberReads.ts';
import type {
  CloneId,
  CloneName,
  EnvironmentName,
  HostName,
  InstallationId,
  JobId,
  Reference,
  SnapshotId,
} from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';

export type UsedEnvironment = Pick<Environment, 'name' | 'definition'>;

/** How the servers of a clone are reached from this machine. */
export interface WayTo {
  /** A port of this machine; undefined: none leads to a member of that name. */
  portOf(member: CloneMember): number | undefined;
  /** Of a clone of another host. */
  far: Extract<EndpointTarget, { kind: 'clone' }>['far'];
}

/** What is remembered of a bound clone for the proposal to clean it up. */
export type Remembered = Pick<CloneRecord, 'worktree' | 'finished'>;

export interface MakeClone {
  environment: EnvironmentName;
  snapshot?: SnapshotId | undefined;
  name: CloneName;
  binding: Binding;
  password: string;
}

/** What is asked of its engine answers with a job, or rejects with the engine's refusal. */
export interface HostClones {
  /** Null: this machine. */
  readonly host: HostName | null;
  /** Why nobody reaches its engine; undefined: it is reached. */
  outOfReach(): OutOfReach | undefined;
  /** Has it reached at once; resolves when it is, or can't be soon. */
  awaken(): Promise<void>;
  /** By their names here. */
  environments(): readonly UsedEnvironment[];
  latestSnapshot(environment: EnvironmentName): Pick<Snapshot, 'members'> | undefined;
  clones(): readonly Clone[];
  clone(id: CloneId): Clone | undefined;
  /** Errors: `not_found`. */
  find(reference: Reference): Clone;
  /** What people call it here. */
  nameOf(clone: Pick<Clone, 'name'>): string;
  /** How its bindings name this installation. */
  readonly bindsAs: InstallationId | null;
  /** A clone that is being copied answers all the while. */
  readonly copiesLive: boolean;
  /** What works on a clone. */
  jobOn(clone: Pick<Clone, 'id'>): Job | undefined;
  job(id: JobId): Job | undefined;
  /** Resolves at its end, however long that takes. */
  ended(id: JobId): Promise<Pick<Job, 'state' | 'error'>>;
  create(request: MakeClone, user: string): Promise<Job>;
  start(clone: CloneId, user: string): Promise<Job>;
  /** `to` null: to none. Without a password it keeps its own. */
  bind(clone: CloneId, to: Binding | null, password: string | undefined, user: string): Promise<Job>;
  /** Keeps its state as a snapshot for a branch to start from. */
  keepState(clone: CloneId, message: string, user: string): Promise<Job>;
  /** Lets a snapshot go that no clone came to stand on. */
  dropSnapshot(snapshot: SnapshotId, user: string): void;
  /** Undefined: its members have several. */
  passwordOf(clone: Clone): Promise<string | undefined>;
  /** Where it is in use now, when that is a linked working tree. */
  rememberWorktree(clone: CloneId, worktree: string | null): void;
  /** `text` in RFC 3339. */
  rememberFinished(clone: CloneId, finished: Remembered['finished'], now: string): void;
  remembered(clone: CloneId): Remembered;
  /** After a jump of the clock: the times that are remembered elsewhere than in the rows of clones move along. */
  moveTimes(jumpMs: number, now: string): void;
  /** With its data. */
  destroy(clone: CloneId, user: string): Promise<Job>;
  wayTo(clone: Clone): Promise<WayTo>;
  readonly reads: MemberReads;
}

/** Those of other machines, as far as they are joined to this one. */
export interface OtherHosts {
  /** Resolves when it is known which there are, and what they held when they were last heard of. */
  ready(): Promise<void>;
  list(): readonly HostClones[];
  /** Hears what they tell, as it is called here. */
  subscribe(listener: (event: EventBody) => void): () => void;
}

export const noOtherHosts: OtherHosts = {
  ready: () => Promise.resolve(),
  list: () => [],
  subscribe: () => () => undefined,
};
