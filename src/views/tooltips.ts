/** Writes the rich text that appears when the mouse rests on a row, and the pages that "Show Details" opens. */
import type {
  Clone,
  Environment,
  Host,
  Job,
  MemberDefinition,
  Snapshot,
} from '../../engine/protocol/entities.ts';
import { ageOf, percentOf, sizeOf, timeUntil } from './amounts.ts';
import type { RowReference } from './rowId.ts';
import { escaped } from './markdown.ts';
import { isProtected, stoppedText, type TreeState } from './treeRows.ts';
import { rowId } from './rowId.ts';

const code = (text: string): string => `\`${text.replaceAll('`', "'")}\``;

type Facts = readonly (readonly [name: string, value: string | undefined])[];

const factLines = (facts: Facts): string =>
  facts
    .filter((fact): fact is readonly [string, string] => fact[1] !== undefined && fact[1] !== '')
    .map(([name, value]) => `**${name}:** ${value}`)
    .join('  \n');

const optional = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : escaped(text);

const localTime = (time: string): string => escaped(new Date(time).toLocaleString());
const when = (time: string, now: number): string => `${localTime(time)} (${ageOf(time, now)})`;

const engineTitle = { postgres: 'PostgreSQL', mongodb: 'MongoDB' } as const;

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

function jobFacts(job: Job | undefined): Facts {
  if (job === undefined) return [];
  const task = job.tasks.find(({ state }) => state === 'running');
  return [
    ['Running', `${escaped(job.title)}, ${percentOf(job.progress)}${task ? ` (${escaped(task.name)})` : ''}`],
    ['Started by', escaped(job.createdBy)],
  ];
}

function cloneFacts(clone: Clone, state: TreeState): Facts {
  const snapshot = state.entities.snapshots.get(clone.snapshot);
  const { unshared, logical } = clone.bytes;
  return [
    ['State', escaped(clone.state === 'stopped' ? stoppedText(clone) : clone.state)],
    ['Problem', clone.problem === null ? undefined : escaped(clone.problem)],
    ['Environment', escaped(clone.environment)],
    ['Snapshot', escaped(snapshot?.name ?? clone.snapshot)],
    ['Size', logical === null ? undefined : sizeOf(logical)],
    ['Own data', unshared === null ? undefined : sizeOf(unshared)],
    ['Branch', clone.branch === null ? undefined : code(clone.branch)],
    ['Repository', clone.repository === null ? undefined : code(clone.repository)],
    [
      'Used in',
      [...state.entities.checkouts.values()]
        .filter((checkout) => checkout.clone === clone.id)
        .map(({ path }) => code(path))
        .join(', '),
    ],
    ['Migrations', optional(state.window.migrations.get(clone.id))],
    [
      'Protected',
      !isProtected(clone, state.now) || clone.protectedUntil === null
        ? undefined
        : clone.protectedUntil === 'forever'
          ? 'for good'
          : `for ${timeUntil(clone.protectedUntil, state.now)}, until ${localTime(clone.protectedUntil)}`,
    ],
    ['Created', `${when(clone.createdAt, state.now)} by ${escaped(clone.createdBy)}`],
    ['Reset', clone.resetAt === null ? undefined : when(clone.resetAt, state.now)],
    ...clone.members.map(
      (member) =>
        [
          member.name,
          `${engineTitle[member.engine]} ${escaped(member.version)}, ${code(`${member.host}:${member.port}/${member.database}`)}, user ${code(member.user)}${member.state === 'ready' ? '' : `, ${member.state}`}`,
        ] as const,
    ),
  ];
}

function snapshotFacts(snapshot: Snapshot, state: TreeState): Facts {
  const clones = snapshot.clones.map((id) => escaped(state.entities.clones.get(id)?.name ?? id));
  return [
    ['State', snapshot.state],
    ['Environment', escaped(snapshot.environment)],
    ['Data of', snapshot.dataStateAt === null ? undefined : when(snapshot.dataStateAt, state.now)],
    ['Created', `${when(snapshot.createdAt, state.now)} by ${escaped(snapshot.createdBy)}`],
    [
      'Made by',
      {
        refresh: 'a refresh',
        commit: 'a commit of a clone',
        kept: 'a reset that kept the old state',
        branch: "a branch that began with another one's data",
      }[snapshot.origin],
    ],
    ['Message', snapshot.message === null ? undefined : escaped(snapshot.message)],
    ['Size', snapshot.bytes.logical === null ? undefined : sizeOf(snapshot.bytes.logical)],
    ['Own data', snapshot.bytes.unshared === null ? undefined : sizeOf(snapshot.bytes.unshared)],
    ['Clones', clones.length === 0 ? undefined : clones.join(', ')],
    ...snapshot.members.map(
      (member) =>
        [
          member.name,
          `${engineTitle[member.engine]} ${escaped(member.version)}, ${code(member.database)}`,
        ] as const,
    ),
  ];
}

function environmentFacts(environment: Environment, state: TreeState): Facts {
  const { definition } = environment;
  const latest =
    environment.latestSnapshot === null
      ? undefined
      : state.entities.snapshots.get(environment.latestSnapshot);
  const { idleTtl, limit, durable } = definition.clones;
  const failed = state.failed.get(environment.name);
  return [
    ['Host', escaped(definition.host)],
    [
      'Latest snapshot',
      latest === undefined
        ? 'none yet'
        : `${escaped(latest.name)}, ${ageOf(latest.dataStateAt ?? latest.createdAt, state.now)}`,
    ],
    [
      'Last refresh',
      failed?.error == null
        ? undefined
        : `failed ${ageOf(failed.endedAt ?? failed.createdAt, state.now)}: ${escaped(failed.error.message)} ${escaped(failed.error.next)}`,
    ],
    ['Clones', String(state.clonesOf.get(environment.name)?.length ?? 0)],
    ['Destroyed when idle for', idleTtl],
    ['At most', limit === undefined ? undefined : `${limit} clones`],
    ['Durable', durable === false ? 'no, clones run without fsync' : undefined],
    ...Object.entries(definition.members).map(
      ([name, member]) =>
        [name, `${engineTitle[member.engine]}, ${member.retrieval}, ${code(sourceText(member))}`] as const,
    ),
  ];
}

function hostFacts(host: Host): Facts {
  const { storage } = host;
  return [
    ['State', host.state],
    ['Problem', host.problem === null ? undefined : escaped(host.problem)],
    ['Storage', storage === null ? undefined : escaped(storage.label)],
    ['Path', storage === null ? undefined : code(storage.path)],
    ['Free', storage === null ? undefined : `${sizeOf(storage.freeBytes)} of ${sizeOf(storage.totalBytes)}`],
    [
      'Thin',
      storage === null || storage.thin
        ? undefined
        : 'no: every clone is a full copy. The host doctor says what would make them thin.',
    ],
  ];
}

/** Markdown for a row, or undefined when the label says it all. */
export function describeRow(state: TreeState, reference: RowReference): string | undefined {
  const { entities } = state;
  const job = jobFacts(state.work.get(rowId(reference)));
  const engine: Facts =
    state.window.engine === 'running' ? [] : [['Engine', 'not running; this is what was known before']];
  const page = (title: string, facts: Facts): string =>
    `### ${escaped(title)}\n\n${factLines([...engine, ...job, ...facts])}`;
  switch (reference.kind) {
    case 'clone': {
      const clone = entities.clones.get(reference.key);
      return clone && page(clone.name, cloneFacts(clone, state));
    }
    case 'snapshot': {
      const snapshot = entities.snapshots.get(reference.key);
      return snapshot && page(snapshot.name, snapshotFacts(snapshot, state));
    }
    case 'environment': {
      const environment = entities.environments.get(reference.key);
      return environment && page(environment.name, environmentFacts(environment, state));
    }
    case 'host': {
      const host = entities.hosts.get(reference.key);
      return host && page(host.name, hostFacts(host));
    }
    case 'clones':
    case 'snapshots':
    case 'saved':
    case 'note':
      return undefined;
  }
}
