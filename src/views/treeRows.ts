/** Decides what the tree shows: from what the engine knows to rows, without VS Code. */
import type { Clone, Environment, Host, Job, Snapshot } from '../../engine/protocol/entities.ts';
import type { Entities } from '../engine/model.ts';
import { ageOf, countOf, percentOf, sizeOf, timeUntil } from './amounts.ts';
import { repositoryName } from '../checkouts/checkoutText.ts';
import { isRefreshed, snapshotLabel, snapshotOrigins } from './snapshotText.ts';
import { failedRefreshes, failureText, phaseOf, rowsOfJob } from './refreshes.ts';
import { hostOrder, hostRow, isAway, noEnvironmentNote } from './hostRows.ts';
import { color, joined, row, type Row, type RowCommand } from './row.ts';
import { rowId, type RowOf, type RowReference } from './rowId.ts';

/** What belongs to this window alone. */
export interface WindowState {
  /** The clones that its checkouts use now. */
  readonly current: ReadonlySet<string>;
  /** How migrations stand, by clone: for people, in a few words. */
  readonly migrations: ReadonlyMap<string, string>;
  /** Names of its folders of which nothing says which environment they use. */
  readonly unchosen: readonly string[];
  /** Whether somebody vouches for what is shown, and if not, why. */
  readonly engine: 'running' | 'starting' | 'stopped' | 'failed';
}
export const noWindow: WindowState = {
  current: new Set(),
  migrations: new Map(),
  unchosen: [],
  engine: 'running',
};

/** What the rows of one refresh share: looked up once, used for hundreds of rows. */
export interface TreeState {
  readonly entities: Entities;
  readonly window: WindowState;
  readonly now: number;
  readonly clonesOf: ReadonlyMap<string, readonly Clone[]>;
  readonly snapshotsOf: ReadonlyMap<string, readonly Snapshot[]>;
  /** Branches that clones of several repositories have in one environment. */
  readonly shared: ReadonlySet<string>;
  /** The unfinished job that works on a row's object, by row id. */
  readonly work: ReadonlyMap<string, Job>;
  /** The refreshes that failed and were not followed by a better one, by environment. */
  readonly failed: ReadonlyMap<string, Job>;
}

function groupByEnvironment<T extends { environment: string; createdAt: string }>(
  items: Iterable<T>,
): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.environment);
    if (group === undefined) groups.set(item.environment, [item]);
    else group.push(item);
  }
  // Newest first, as the engine lists them.
  for (const group of groups.values()) group.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  return groups;
}

/** Whether an environment is of a host that nobody can ask. */
export function isOutOfReach({ hosts, environments }: Entities, environment: string): boolean {
  const host = hosts.get(environments.get(environment)?.definition.host ?? '');
  return host !== undefined && isAway(host);
}

export const isUnfinished = (job: Job): boolean => job.state === 'queued' || job.state === 'running';

const branchKey = (environment: string, branch: string): string => `${environment}\n${branch}`;

export function treeState(entities: Entities, now: number, window: WindowState = noWindow): TreeState {
  const work = new Map<string, Job>();
  for (const job of entities.jobs.values()) {
    // Of an engine that is away nobody knows what goes on.
    if (isUnfinished(job) && window.engine === 'running' && !isOutOfReach(entities, job.environment ?? ''))
      for (const row of rowsOfJob(job)) work.set(row, job);
  }
  const repositories = new Map<string, string>();
  const shared = new Set<string>();
  for (const { environment, branch, repository } of entities.clones.values()) {
    if (branch === null) continue;
    const key = branchKey(environment, branch);
    const other = repositories.get(key);
    if (other !== undefined && other !== repository) shared.add(key);
    repositories.set(key, repository ?? '');
  }
  return {
    entities,
    shared,
    window,
    now,
    clonesOf: groupByEnvironment(entities.clones.values()),
    snapshotsOf: groupByEnvironment(entities.snapshots.values()),
    work,
    failed: failedRefreshes(entities.jobs.values(), entities.environments),
  };
}

/** What came from the source, the one that clones are made of first. */
function refreshesOf({ snapshotsOf, entities }: TreeState, name: string): Snapshot[] {
  const latest = entities.environments.get(name)?.latestSnapshot;
  return (snapshotsOf.get(name) ?? [])
    .filter(isRefreshed)
    .toSorted((a, b) => Number(b.id === latest) - Number(a.id === latest));
}

/** What was made of clones. */
const savedOf = ({ snapshotsOf }: TreeState, name: string): Snapshot[] =>
  (snapshotsOf.get(name) ?? []).filter((snapshot) => !isRefreshed(snapshot));

const currentFirst = ({ window }: TreeState, clones: readonly Clone[]): Clone[] =>
  clones.toSorted((a, b) => Number(window.current.has(b.id)) - Number(window.current.has(a.id)));

const byName = <T extends { name: string }>(a: T, b: T): number => a.name.localeCompare(b.name);

/** The rows below a row, or the top ones. None at the top means that the view's welcome text is shown. */
export function rowsUnder(state: TreeState, parent: RowReference | undefined): Row[] {
  if (parent === undefined) return topRows(state);
  const name = parent.key;
  switch (parent.kind) {
    case 'environment':
      return state.entities.environments.has(name) ? environmentChildren(state, name) : [];
    case 'clones': {
      const clones = state.clonesOf.get(name) ?? [];
      return clones.length > 0
        ? currentFirst(state, clones).map((clone) => cloneRow(state, clone))
        : [createNote(state, name)];
    }
    case 'snapshots':
      return refreshesOf(state, name).map((snapshot) => snapshotRow(state, snapshot));
    case 'saved':
      return savedOf(state, name).map((snapshot) => snapshotRow(state, snapshot));
    case 'host':
      return hostChildren(state, name);
    case 'clone':
    case 'snapshot':
    case 'note':
      return [];
  }
}

/** The row of one object; undefined when it is not there. */
export function rowOf(
  state: TreeState,
  { kind, key }: RowOf<'environment' | 'clone' | 'snapshot'>,
): Row | undefined {
  const { environments, clones, snapshots } = state.entities;
  switch (kind) {
    case 'environment': {
      const environment = environments.get(key);
      return environment && environmentRow(state, environment);
    }
    case 'clone': {
      const clone = clones.get(key);
      return clone && cloneRow(state, clone);
    }
    case 'snapshot': {
      const snapshot = snapshots.get(key);
      return snapshot && snapshotRow(state, snapshot);
    }
  }
}

function topRows(state: TreeState): Row[] {
  const { environments } = state.entities;
  const hosts = [...state.entities.hosts.values()].sort(hostOrder);
  const isBroken = hosts.some((host) => host.state !== 'ready');
  // One host alone would hide the welcome text; a host with a problem is worth more than a welcome.
  if (environments.size === 0 && hosts.length <= 1 && !isBroken) return [];
  const notes = [...engineRows(state.window.engine), ...unchosenRows(state.window)];
  const rows = hosts.map((host) =>
    hostRow(host, {
      engine: state.window.engine,
      isOneOfSeveral: hosts.length > 1,
      clones: environmentsOn(state, host.name).reduce(
        (sum, { name }) => sum + (state.clonesOf.get(name)?.length ?? 0),
        0,
      ),
      now: state.now,
    }),
  );
  const isLost = ({ definition }: Environment): boolean => !state.entities.hosts.has(definition.host);
  const above = [...environments.values()].filter((each) => hosts.length <= 1 || isLost(each)).sort(byName);
  return [...notes, ...above.map((environment) => environmentRow(state, environment)), ...rows];
}

const environmentsOn = ({ entities }: TreeState, host: string): Environment[] =>
  [...entities.environments.values()].filter(({ definition }) => definition.host === host).sort(byName);

/** With one host only there is no level for it. */
export const hostLevelOf = ({ hosts, environments }: Entities, environment: string): string | undefined => {
  const host = environments.get(environment)?.definition.host;
  return hosts.size > 1 && host !== undefined && hosts.has(host) ? host : undefined;
};

function hostChildren(state: TreeState, name: string): Row[] {
  const host = state.entities.hosts.get(name);
  if (host === undefined || state.entities.hosts.size <= 1) return [];
  const environments = environmentsOn(state, name);
  return environments.length > 0
    ? environments.map((environment) => environmentRow(state, environment))
    : noEnvironmentNote(host);
}

/** What is shown below is what was known before the engine went. */
function engineRows(engine: WindowState['engine']): Row[] {
  const engineRow = (label: string, description: string, icon: Row['icon'], command?: RowCommand): Row =>
    row({
      reference: { kind: 'note', key: 'engine/' },
      ...{ label, description, icon },
      context: `note.engine.${engine}`,
      children: 'none',
      ...(command !== undefined && { command }),
    });
  switch (engine) {
    case 'running':
      return [];
    case 'starting':
      return [engineRow('Starting the engine…', '', { id: 'loading~spin' })];
    case 'stopped':
      return [
        engineRow(
          'The engine is stopped',
          'start it: stable ports lead nowhere',
          { id: 'debug-disconnect', color: color.warning },
          { id: 'thinClones.engine.start', subject: [] },
        ),
      ];
    case 'failed':
      return [
        engineRow(
          'The engine did not start',
          'see why: stable ports lead nowhere',
          { id: 'error', color: color.bad },
          { id: 'thinClones.engine.showProblem', subject: [] },
        ),
      ];
  }
}

/** A folder that had the only environment has none when there are two: that is told where its clones were. */
function unchosenRows({ engine, unchosen }: WindowState): Row[] {
  const [first] = unchosen;
  if (engine !== 'running' || first === undefined) return [];
  return [
    row({
      reference: { kind: 'note', key: 'unchosen/' },
      // What is asked is read in a narrow side bar, too, however long the folder's name is.
      label: 'Which environment?',
      description:
        unchosen.length === 1
          ? `for ${first}: its branches have no database`
          : `for ${countOf(unchosen.length, 'folder')}: their branches have no database`,
      icon: { id: 'question', color: color.warning },
      context: 'note.unchosen',
      children: 'none',
      command: { id: 'thinClones.branch.chooseEnvironment', subject: [] },
      spoken: `Nothing says which environment ${unchosen.join(', ')} uses, so its branches have no database. Choose one.`,
    }),
  ];
}

function environmentChildren(state: TreeState, name: string): Row[] {
  const snapshots = state.snapshotsOf.get(name) ?? [];
  const clones = state.clonesOf.get(name) ?? [];
  // The one that is being made is told by the environment's row; until it is there it is of no use.
  if (clones.length === 0 && snapshots.every((snapshot) => snapshot.state === 'creating'))
    return [firstSnapshotNote(state, name)];
  const saved = savedOf(state, name).length;
  return [
    groupRow(state, 'clones', name, 'Clones', countOf(clones.length, 'clone'), 'expanded'),
    groupRow(
      state,
      'snapshots',
      name,
      'Snapshots',
      countOf(snapshots.length - saved, 'snapshot'),
      'collapsed',
    ),
    ...(saved === 0
      ? []
      : [groupRow(state, 'saved', name, 'Committed and kept', countOf(saved, 'snapshot'), 'collapsed')]),
  ];
}

function groupRow(
  state: TreeState,
  kind: 'clones' | 'snapshots' | 'saved',
  environment: string,
  label: string,
  counted: string,
  children: 'expanded' | 'collapsed',
): Row {
  return row({
    reference: { kind, key: environment },
    label,
    description: counted.replace(/ .*/, '').replace('no', '0'),
    icon: undefined,
    context: isAwayIn(state, environment) ? `${kind}.away` : kind,
    children,
    faded: fadedIn(state, environment),
    spoken: `${label} of ${environment}, ${counted}`,
  });
}

type Note = Pick<Row, 'label' | 'description' | 'icon'> & {
  readonly name: string;
  readonly command: (reference: RowOf<'note'>) => RowCommand;
};

/** A row that says what is missing, and does it when it is clicked. */
function noteRow(
  state: TreeState,
  environment: string,
  { name, label, description, icon, command }: Note,
): Row {
  const reference = { kind: 'note', key: `${name}/${environment}` } as const;
  const faded = fadedIn(state, environment);
  // Nothing can be done there until the host is back.
  const away = isAwayIn(state, environment);
  return row({
    ...{ reference, label, faded },
    description: away ? '' : description,
    icon: faded === undefined || icon === undefined ? icon : { ...icon, color: color.faded },
    context: away ? 'note.away' : `note.${name}`,
    children: 'none',
    ...(!away && { command: command(reference) }),
  });
}

const createNote = (state: TreeState, environment: string): Row =>
  noteRow(state, environment, {
    name: 'noClone',
    label: 'No clones yet',
    description: 'create one',
    icon: { id: 'add' },
    command: (reference) => ({ id: 'thinClones.clone.create', subject: [reference] }),
  });

function firstSnapshotNote(state: TreeState, environment: string): Row {
  const job = state.work.get(rowId({ kind: 'environment', key: environment }));
  if (job !== undefined)
    return noteRow(state, environment, {
      name: 'refreshing',
      label: 'Taking the first snapshot…',
      description: 'show its log',
      icon: { id: 'loading~spin' },
      command: () => ({ id: 'thinClones.job.show', subject: [{ kind: 'job', key: job.id }] }),
    });
  return noteRow(state, environment, {
    name: 'noSnapshot',
    label: 'No snapshot yet',
    description: state.failed.has(environment) ? 'try again to take the first one' : 'take the first one',
    icon: { id: 'device-camera' },
    command: (reference) => ({ id: 'thinClones.environment.refresh', subject: [reference] }),
  });
}

/** "resetting… 40 %" */
function workText(doing: string, job: Job | undefined): string {
  if (job?.state === 'queued') return `${doing}… waiting`;
  return job === undefined || job.progress === 0 ? `${doing}…` : `${doing}… ${percentOf(job.progress)}`;
}

const hostOf = (state: TreeState, environment: string): Host | undefined => {
  const name = state.entities.environments.get(environment)?.definition.host;
  return name === undefined ? undefined : state.entities.hosts.get(name);
};

function whyFaded({ window }: TreeState, host: Host | undefined): Row['faded'] {
  if (window.engine !== 'running') return 'engine stopped';
  return (host?.state ?? 'ready') === 'ready' ? undefined : 'out of reach';
}
const fadedIn = (state: TreeState, environment: string): Row['faded'] =>
  whyFaded(state, hostOf(state, environment));
const isAwayIn = ({ entities }: TreeState, environment: string): boolean =>
  isOutOfReach(entities, environment);

function environmentRow(state: TreeState, environment: Environment): Row {
  const reference = { kind: 'environment', key: environment.name } as const;
  const job = state.work.get(rowId(reference));
  const clones = state.clonesOf.get(environment.name) ?? [];
  const latest =
    environment.latestSnapshot === null
      ? undefined
      : state.entities.snapshots.get(environment.latestSnapshot);
  const faded = fadedIn(state, environment.name);
  const host = hostOf(state, environment.name);
  const level = hostLevelOf(state.entities, environment.name);
  const doing = job?.type === 'environment.delete' ? 'deleting' : 'refreshing';
  const failure = job === undefined ? state.failed.get(environment.name) : undefined;
  const icon = job !== undefined ? 'loading~spin' : failure === undefined ? 'database' : 'warning';
  const iconColor = faded !== undefined ? color.faded : failure === undefined ? undefined : color.warning;
  const label =
    level !== undefined && environment.name.startsWith(`${level}/`)
      ? environment.name.slice(level.length + 1)
      : environment.name;
  return row({
    reference,
    label,
    description: joined([
      ...(job === undefined ? [] : [workText(doing, job), phaseOf(job)]),
      failure === undefined ? undefined : failureText(failure),
      // Below its host, whose row says it.
      faded === 'out of reach' && level === undefined
        ? host?.state === 'unusable'
          ? 'host not usable'
          : 'host out of reach'
        : undefined,
      clones.length === 0 ? undefined : countOf(clones.length, 'clone'),
      latest === undefined
        ? job === undefined && failure === undefined
          ? 'no snapshot yet'
          : undefined
        : `data of ${ageOf(latest.dataStateAt ?? latest.createdAt, state.now)}`,
    ]),
    icon: { id: icon, ...(iconColor !== undefined && { color: iconColor }) },
    context: isAwayIn(state, environment.name)
      ? 'environment.away'
      : [
          'environment',
          job === undefined ? 'idle' : 'busy',
          latest === undefined ? 'empty' : 'filled',
          ...(failure === undefined ? [] : ['failed']),
          ...(job?.cancellable === true ? ['cancellable'] : []),
        ].join('.'),
    children: 'expanded',
    faded,
  });
}

const doingByState = {
  creating: 'creating',
  resetting: 'resetting',
  committing: 'committing',
  destroying: 'destroying',
  stopping: 'stopping',
} as const;

/** "1.2 MB own"; the full size where that is not known. */
export function cloneSizeText({ bytes: { unshared, logical } }: Clone): string | undefined {
  if (unshared !== null) return `${sizeOf(unshared)} own`;
  return logical === null ? undefined : sizeOf(logical);
}

export function isProtected(clone: Clone, now: number): boolean {
  const until = clone.protectedUntil;
  return until !== null && (until === 'forever' || Date.parse(until) > now);
}

function protectionText(clone: Clone, now: number): string | undefined {
  if (!isProtected(clone, now) || clone.protectedUntil === null) return undefined;
  return clone.protectedUntil === 'forever'
    ? 'protected'
    : `protected for ${timeUntil(clone.protectedUntil, now)}`;
}

/** "stopped by alice"; of one that ended by itself, or could not be started, "stopped". */
export const stoppedText = ({ stoppedBy }: Clone): string =>
  stoppedBy === null ? 'stopped' : `stopped by ${stoppedBy}`;

function cloneStateOf(
  clone: Clone,
  job: Job | undefined,
  { engine, away }: { engine: WindowState['engine']; away: boolean },
): { text: string; busy: boolean } {
  if (engine !== 'running') return { text: `was ${clone.state}`, busy: false };
  if (away)
    return {
      text: clone.state === 'ready' ? 'out of reach' : `out of reach, was ${clone.state}`,
      busy: false,
    };
  switch (clone.state) {
    case 'creating':
    case 'resetting':
    case 'committing':
    case 'destroying':
    case 'stopping':
      return { text: workText(doingByState[clone.state], job), busy: true };
    case 'ready':
      return job === undefined
        ? { text: 'ready', busy: false }
        : { text: workText('working', job), busy: true };
    case 'stopped':
      // Also without a job: an engine that starts brings up what should run.
      return job?.type === 'clone.start' || clone.members.some((member) => member.state === 'starting')
        ? { text: workText('starting', job), busy: true }
        : { text: stoppedText(clone), busy: job !== undefined };
    case 'failed':
      return { text: 'failed', busy: job !== undefined };
  }
}

function cloneIcon(
  clone: Clone,
  { busy, guarded, current }: { busy: boolean; guarded: boolean; current: boolean },
): { id: string; color?: string } {
  if (busy) return { id: 'loading~spin' };
  switch (clone.state) {
    case 'ready':
      return { id: current ? 'pass-filled' : guarded ? 'lock' : 'circle-filled', color: color.good };
    case 'failed':
      return { id: 'error', color: color.bad };
    case 'creating':
    case 'resetting':
    case 'committing':
    case 'destroying':
    case 'stopping':
    case 'stopped':
      return { id: 'circle-outline' };
  }
}

/** "failed: the server ended with signal SIGKILL" */
const problemText = ({ state, problem }: Clone, standing: string): string =>
  state === 'failed' && standing === 'failed' && problem !== null
    ? `${standing}: ${problem.replace(/\.$/, '')}`
    : standing;

function cloneRow(state: TreeState, clone: Clone): Row {
  const reference = { kind: 'clone', key: clone.id } as const;
  const job = state.work.get(rowId(reference));
  const away = isAwayIn(state, clone.environment);
  const { text, busy } = cloneStateOf(clone, job, { engine: state.window.engine, away });
  const guarded = isProtected(clone, state.now);
  const faded = fadedIn(state, clone.environment);
  const current = state.window.current.has(clone.id);
  const icon = cloneIcon(clone, { busy, guarded, current });
  const isRunning = state.window.engine === 'running';
  const standing = faded === 'out of reach' && !busy && !away ? faded : text;
  // What somebody has to know or to do comes first: a narrow side bar cuts the rest.
  const isFine = standing === 'ready' || !isRunning;
  // People think in branches; the clone's own name is in the tooltip.
  const label = clone.branch ?? clone.name;
  const description = joined([
    isFine ? undefined : problemText(clone, standing),
    state.window.migrations.get(clone.id),
    protectionText(clone, state.now),
    !current ? undefined : isRunning ? 'current' : 'current, port closed',
    isFine ? standing : undefined,
    clone.branch !== null &&
    clone.repository !== null &&
    state.shared.has(branchKey(clone.environment, clone.branch))
      ? repositoryName(clone.repository)
      : undefined,
    ageOf(clone.resetAt ?? clone.createdAt, state.now),
    cloneSizeText(clone),
  ]);
  return row({
    ...{ reference, label, description },
    // Nobody who listens sees the tooltip.
    spoken: joined([label, description, label === clone.name ? undefined : `clone ${clone.name}`]),
    icon: faded === undefined ? icon : { ...icon, color: color.faded },
    context: [
      'clone',
      away ? 'away' : clone.state,
      ...(busy ? ['busy'] : []),
      ...(job?.cancellable === true ? ['cancellable'] : []),
      ...(guarded ? ['protected'] : []),
      ...(clone.branch === null ? [] : ['bound']),
      ...(current ? ['current'] : []),
    ].join('.'),
    children: 'none',
    faded,
  });
}

function snapshotRow(state: TreeState, snapshot: Snapshot): Row {
  const reference = { kind: 'snapshot', key: snapshot.id } as const;
  const job = state.work.get(rowId(reference));
  const environment = state.entities.environments.get(snapshot.environment);
  const faded = fadedIn(state, snapshot.environment);
  const away = isAwayIn(state, snapshot.environment);
  const busy = snapshot.state !== 'ready' && state.window.engine === 'running' && !away;
  return row({
    reference,
    label: snapshotLabel(snapshot),
    description: joined([
      snapshot.state === 'ready' ? undefined : busy ? workText(snapshot.state, job) : `was ${snapshot.state}`,
      environment?.latestSnapshot === snapshot.id ? 'latest' : undefined,
      snapshotOrigins[snapshot.origin],
      ageOf(snapshot.dataStateAt ?? snapshot.createdAt, state.now),
      snapshot.bytes.logical === null ? undefined : sizeOf(snapshot.bytes.logical),
      snapshot.clones.length === 0 ? undefined : countOf(snapshot.clones.length, 'clone'),
      snapshotLabel(snapshot) === snapshot.name ? undefined : snapshot.name,
    ]),
    icon: {
      id: busy ? 'loading~spin' : snapshot.origin === 'refresh' ? 'device-camera' : 'git-commit',
      ...(faded !== undefined && { color: color.faded }),
    },
    context: [
      'snapshot',
      away ? 'away' : snapshot.state,
      ...(busy ? ['busy'] : []),
      ...(job?.cancellable === true ? ['cancellable'] : []),
      snapshot.clones.length === 0 ? 'unused' : 'used',
    ].join('.'),
    children: 'none',
    faded,
  });
}

/** What a refresh has to tell VS Code about: everything, or the rows whose children or whose looks changed. */
export type TreeChange = 'everything' | readonly string[];

/** The rows that VS Code has asked for, by parent id (`''` for the top). */
export type ShownRows = ReadonlyMap<string, readonly Row[]>;

const looks = ({ label, description, icon, context, children, spoken, faded, command }: Row): string =>
  JSON.stringify([label, description, icon, context, children, spoken, faded, command]);

/** Compares what is shown with what should be: a clone that only got older costs one row, not the tree. */
export function compareRows(
  shown: ShownRows,
  wanted: (parent: string) => readonly Row[],
): { change: TreeChange; rows: ShownRows } {
  const rows = new Map<string, readonly Row[]>();
  const changed: string[] = [];
  const walk = (parent: string): boolean => {
    const before = shown.get(parent);
    if (before === undefined) return true;
    const after = wanted(parent);
    if (before.length !== after.length || before.some((row, index) => row.id !== after[index]?.id))
      return false;
    rows.set(parent, after);
    for (const [index, next] of after.entries()) {
      const previous = before[index];
      const sameLooks = previous !== undefined && looks(previous) === looks(next);
      // A row that is named is asked for again together with everything below it.
      if (!walk(next.id) || !sameLooks) changed.push(next.id);
    }
    return true;
  };
  return walk('') ? { change: changed, rows } : { change: 'everything', rows: new Map() };
}
