/** Everything known about the object of a row, as names and values: for the rich text beside the row and for its page. */
import { hostOfClone } from '../../engine/protocol/calledHere.ts';
import { comparisonText } from '../../engine/protocol/comparison.ts';
import { engineTitle } from '../../engine/protocol/engineWords.ts';
import type {
  Bytes,
  Clone,
  Comparison,
  Environment,
  Host,
  Job,
  MemberDefinition,
  Snapshot,
} from '../../engine/protocol/entities.ts';
import { ageOf, percentOf, sizeOf, timeUntil } from './amounts.ts';
import { rowId, type RowReference } from './rowId.ts';
import { isProtected, stoppedText, type TreeState } from './treeRows.ts';

/** `code` is to be read letter by letter: an address, a path. */
export type Piece = string | { readonly code: string };
export interface Fact {
  readonly name: string;
  readonly value: readonly Piece[];
}
export interface Facts {
  readonly title: string;
  readonly facts: readonly Fact[];
}
type Found = readonly (readonly [name: string, value: Piece | readonly Piece[] | undefined])[];

const code = (text: string): Piece => ({ code: text });

/** A sentence with pieces in it. */
const said = (words: readonly string[], ...pieces: readonly Piece[]): Piece[] =>
  words.flatMap((word, index) => [word, ...pieces.slice(index, index + 1)]);

const localTime = (time: string): string => new Date(time).toLocaleString();
const when = (time: string, now: number): string => `${localTime(time)} (${ageOf(time, now)})`;

/** Where a member's data comes from, without any password. */
export function sourceText(member: MemberDefinition): string {
  switch (member.retrieval) {
    case 'logical':
    case 'physical':
      return member.url ?? 'unknown source';
    case 'dump':
      return member.dump ?? 'unknown dump';
    case 'directory':
      return member.directory ?? 'unknown directory';
  }
}

function jobFacts(job: Job | undefined): Found {
  if (job === undefined) return [];
  const task = job.tasks.find(({ state }) => state === 'running');
  return [
    ['Running', `${job.title}, ${percentOf(job.progress)}${task ? ` (${task.name})` : ''}`],
    ['Started by', job.createdBy],
  ];
}

function cloneFacts(clone: Clone, state: TreeState): Found {
  const snapshot = state.entities.snapshots.get(clone.snapshot);
  const { unshared, logical } = clone.bytes;
  return [
    ['State', clone.state === 'stopped' ? stoppedText(clone) : clone.state],
    ['Problem', clone.problem ?? undefined],
    ['Environment', clone.environment],
    ['Snapshot', snapshot?.name ?? clone.snapshot],
    ['Size', logical === null ? undefined : sizeOf(logical)],
    ['Own data', unshared === null ? undefined : sizeOf(unshared)],
    ['Branch', clone.branch === null ? undefined : code(clone.branch)],
    ['Repository', clone.repository === null ? undefined : code(clone.repository)],
    [
      'Used in',
      [...state.entities.checkouts.values()]
        .filter((checkout) => checkout.clone === clone.id)
        .flatMap(({ path }, index) => (index === 0 ? [code(path)] : [', ', code(path)])),
    ],
    ['Migrations', state.window.migrations.get(clone.id)],
    [
      'Protected',
      !isProtected(clone, state.now) || clone.protectedUntil === null
        ? undefined
        : clone.protectedUntil === 'forever'
          ? 'for good'
          : `for ${timeUntil(clone.protectedUntil, state.now)}, until ${localTime(clone.protectedUntil)}`,
    ],
    ['Created', `${when(clone.createdAt, state.now)} by ${clone.createdBy}`],
    ['Reset', clone.resetAt === null ? undefined : when(clone.resetAt, state.now)],
    ...clone.members.map(
      (member) =>
        [
          member.name,
          said`${engineTitle[member.engine]} ${member.version}, ${code(hostOfClone(clone) === undefined ? `${member.host}:${member.port}/${member.database}` : member.database)}${hostOfClone(clone) === undefined ? '' : ` on ${member.host}`}, user ${code(member.user)}${member.state === 'ready' ? '' : `, ${member.state}`}`,
        ] as const,
    ),
  ];
}

/** What came of the source, compared with what was there. */
function compared(comparison: Comparison | undefined): string {
  const text = comparisonText(comparison);
  return text === undefined ? '' : `, ${text} from its source`;
}

function snapshotFacts(snapshot: Snapshot, state: TreeState): Found {
  const clones = snapshot.clones.map((id) => state.entities.clones.get(id)?.name ?? id);
  return [
    ['State', snapshot.state],
    ['Environment', snapshot.environment],
    ['Data of', snapshot.dataStateAt === null ? undefined : when(snapshot.dataStateAt, state.now)],
    ['Created', `${when(snapshot.createdAt, state.now)} by ${snapshot.createdBy}`],
    [
      'Made by',
      {
        refresh: 'a refresh',
        commit: 'a commit of a clone',
        kept: 'a reset that kept the old state',
        branch: "a branch that began with another one's data",
      }[snapshot.origin],
    ],
    ['Message', snapshot.message ?? undefined],
    ['Size', snapshot.bytes.logical === null ? undefined : sizeOf(snapshot.bytes.logical)],
    ['Own data', snapshot.bytes.unshared === null ? undefined : sizeOf(snapshot.bytes.unshared)],
    ['Clones', clones.length === 0 ? undefined : clones.join(', ')],
    ...snapshot.members.map(
      (member) =>
        [
          member.name,
          said`${engineTitle[member.engine]} ${member.version}, ${code(member.database)}${compared(member.comparison)}`,
        ] as const,
    ),
  ];
}

function environmentFacts(environment: Environment, state: TreeState): Found {
  const { definition } = environment;
  const latest =
    environment.latestSnapshot === null
      ? undefined
      : state.entities.snapshots.get(environment.latestSnapshot);
  const { idleTtl, limit, durable } = definition.clones;
  const failed = state.failed.get(environment.name);
  return [
    ['Host', definition.host],
    [
      'Latest snapshot',
      latest === undefined
        ? 'none yet'
        : `${latest.name}, ${ageOf(latest.dataStateAt ?? latest.createdAt, state.now)}`,
    ],
    [
      'Last refresh',
      failed?.error == null
        ? undefined
        : `failed ${ageOf(failed.endedAt ?? failed.createdAt, state.now)}: ${failed.error.message} ${failed.error.next}`,
    ],
    ['Clones', String(state.clonesOf.get(environment.name)?.length ?? 0)],
    ['Destroyed when idle for', idleTtl],
    ['At most', limit === undefined ? undefined : `${limit} clones`],
    ['Durable', durable === false ? 'no, clones run without fsync' : undefined],
    ...Object.entries(definition.members).map(
      ([name, member]) =>
        [
          name,
          said`${engineTitle[member.engine]}, ${member.retrieval}, ${code(sourceText(member))}`,
        ] as const,
    ),
  ];
}

/** What objects of a host occupy alone, as far as that is known. */
function ownBytes(items: readonly { readonly bytes: Bytes }[]): string {
  const known = items.map(({ bytes }) => bytes.unshared).filter((bytes) => bytes !== null);
  const sum = sizeOf(known.reduce((total, bytes) => total + bytes, 0));
  if (known.length === 0) return '';
  return `, ${known.length < items.length ? 'at least ' : ''}${sum} of their own`;
}

/** What is there, and how much of it. */
function heldFacts({ name }: Host, { entities, clonesOf, snapshotsOf }: TreeState): Found {
  const environments = [...entities.environments.values()].filter(
    ({ definition }) => definition.host === name,
  );
  const clones = environments.flatMap((each) => clonesOf.get(each.name) ?? []);
  const snapshots = environments.flatMap((each) => snapshotsOf.get(each.name) ?? []);
  const latest = environments.flatMap(({ latestSnapshot }) =>
    latestSnapshot === null ? [] : (entities.snapshots.get(latestSnapshot)?.bytes.logical ?? []),
  );
  return [
    [
      'Environments',
      `${environments.length}${latest.length === 0 ? '' : `, ${sizeOf(latest.reduce((sum, bytes) => sum + bytes, 0))} of data`}`,
    ],
    ['Snapshots', `${snapshots.length}${ownBytes(snapshots)}`],
    ['Clones', `${clones.length}${ownBytes(clones)}`],
  ];
}

const hostKinds: Readonly<Record<Host['kind'], string>> = {
  local: 'this machine',
  ssh: 'another machine, by ssh',
  docker: 'a Docker Engine',
  dblab: 'a DBLab Engine',
  other: 'of a kind that a newer version knows',
};

/** Undefined where the storage does not know. */
const compressionText = (ratio: number | null): string | undefined =>
  ratio === null ? undefined : `${ratio.toFixed(2)}x: data takes that many times less room`;

function hostFacts(host: Host, state: TreeState): Found {
  const { storage, roundTripMs } = host;
  return [
    ['Kind', hostKinds[host.kind]],
    ['State', host.state],
    ['Problem', host.problem ?? undefined],
    ['What to do', host.next ?? undefined],
    ['Doing', host.doing ?? undefined],
    ['Address', host.address === null ? undefined : code(host.address)],
    [
      'Out of reach since',
      host.unreachableSince === null ? undefined : when(host.unreachableSince, state.now),
    ],
    ['Engine', host.version ?? undefined],
    ['Round trip', roundTripMs === null ? undefined : `${roundTripMs.toFixed(1)} ms`],
    ...heldFacts(host, state),
    ['Storage', storage === null ? undefined : storage.label],
    ['Path', storage === null ? undefined : code(storage.path)],
    ['Free', storage === null ? undefined : `${sizeOf(storage.freeBytes)} of ${sizeOf(storage.totalBytes)}`],
    ['Compression', compressionText(storage?.compression ?? null)],
    [
      'Thin',
      storage === null || storage.thin
        ? undefined
        : 'no: every clone is a full copy. "Make Clones Thin" and the host doctor say what changes that.',
    ],
  ];
}

const listed = (title: string, found: Found): Facts => ({
  title,
  facts: found.flatMap(([name, value = '']) => {
    const pieces = (Array.isArray(value) ? value : [value]) as readonly Piece[];
    return pieces.every((piece) => piece === '') ? [] : [{ name, value: pieces }];
  }),
});

/** Undefined when the label says it all, or the object is not there. */
export function factsOf(state: TreeState, reference: RowReference): Facts | undefined {
  const { entities } = state;
  const first: Found = [
    ...(state.window.engine === 'running'
      ? []
      : ([['Engine', 'not running; this is what was known before']] as const)),
    ...jobFacts(state.work.get(rowId(reference))),
  ];
  switch (reference.kind) {
    case 'clone': {
      const clone = entities.clones.get(reference.key);
      return clone && listed(clone.name, [...first, ...cloneFacts(clone, state)]);
    }
    case 'snapshot': {
      const snapshot = entities.snapshots.get(reference.key);
      return snapshot && listed(snapshot.name, [...first, ...snapshotFacts(snapshot, state)]);
    }
    case 'environment': {
      const environment = entities.environments.get(reference.key);
      return environment && listed(environment.name, [...first, ...environmentFacts(environment, state)]);
    }
    case 'host': {
      const host = entities.hosts.get(reference.key);
      return host && listed(host.name, [...first, ...hostFacts(host, state)]);
    }
    case 'clones':
    case 'snapshots':
    case 'saved':
    case 'note':
      return undefined;
  }
}
