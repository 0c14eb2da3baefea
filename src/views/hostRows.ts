/** Decides what the tree shows of hosts: how each stands, and how far away it is. */
import type { Host } from '../../engine/protocol/entities.ts';
import { countOf, momentOf, sizeOf } from './amounts.ts';
import { color, joined, row, type Row } from './row.ts';

const states: Readonly<Record<Host['state'], string>> = {
  ready: 'ready',
  connecting: 'connecting',
  'needs-login': 'needs a login',
  unreachable: 'out of reach',
  unusable: 'not usable',
};

/** Whether nobody can ask another machine: what it holds is shown as it was. */
export const isAway = ({ kind, state }: Host): boolean =>
  kind !== 'local' && state !== 'ready' && state !== 'unusable';

/** Clones of this machine are full copies, and an ordinary user of it may have that changed. */
export const canBeThin = ({ kind, state, storage }: Host): boolean =>
  kind === 'local' && state === 'ready' && storage?.thin === false && process.platform === 'linux';

export const makesFullCopies = (hosts: Iterable<Host>): boolean => [...hosts].some(canBeThin);

/** This machine first. */
export const hostOrder = (a: Host, b: Host): number =>
  Number(b.kind === 'local') - Number(a.kind === 'local') || a.name.localeCompare(b.name);

/** "30 ms": there and back. */
export const roundTripText = (ms: number): string => (ms < 1 ? '<1 ms' : `${Math.round(ms)} ms`);

/** The row names the host already. */
export const problemOf = ({ name, problem }: Host): string | undefined =>
  problem?.replace(`Host ${name} can't be reached: `, '');

export interface HostPlace {
  readonly engine: 'running' | 'starting' | 'stopped' | 'failed';
  /** Whether there are several: then what each holds is below it. */
  readonly isOneOfSeveral: boolean;
  readonly clones: number;
  readonly now: number;
}

/** "2 clones · btrfs, thin · 12 GB free · 30 ms", "out of reach since 14:05 · connection refused" */
function description(host: Host, { isOneOfSeveral, clones, now }: HostPlace): string {
  const { storage, roundTripMs, unreachableSince: since, state, doing } = host;
  if (state === 'ready')
    return joined([
      isOneOfSeveral && clones > 0 ? countOf(clones, 'clone') : undefined,
      storage?.label,
      storage === null ? undefined : `${sizeOf(storage.freeBytes)} free`,
      roundTripMs === null ? undefined : roundTripText(roundTripMs),
    ]);
  const isSince = state !== 'connecting' && since !== null;
  return joined([
    `${states[state]}${isSince ? ` since ${momentOf(since, now)}` : ''}`,
    // What is tried meanwhile comes and goes every few seconds.
    (state === 'connecting' ? doing : null) ?? problemOf(host),
  ]);
}

function icon({ kind, state }: Host, faded: boolean): NonNullable<Row['icon']> {
  switch (state) {
    case 'ready':
      return { id: kind === 'local' ? 'server' : 'remote', ...(faded && { color: color.faded }) };
    case 'connecting':
      return { id: 'loading~spin' };
    case 'unreachable':
      return { id: 'debug-disconnect', color: color.faded };
    case 'needs-login':
      return { id: 'key', color: color.warning };
    case 'unusable':
      return { id: 'warning', color: color.warning };
  }
}

export function hostRow(host: Host, place: HostPlace): Row {
  const isStopped = place.engine !== 'running';
  const text = description(host, place);
  return row({
    reference: { kind: 'host', key: host.name },
    label: host.name,
    description: text,
    icon: icon(host, isStopped),
    context: `host.${host.state}${host.kind === 'local' ? '' : '.remote'}${canBeThin(host) ? '.full' : ''}`,
    children: place.isOneOfSeveral ? 'expanded' : 'none',
    faded: isStopped
      ? 'engine stopped'
      : host.state === 'unreachable' || host.state === 'needs-login'
        ? 'out of reach'
        : undefined,
    spoken: `Host ${host.name}, ${text === '' ? states[host.state] : text}`,
  });
}

/** A host that holds nothing yet, and is there to be given something. */
export const noEnvironmentNote = (host: Host): Row[] =>
  host.state === 'ready'
    ? [
        row({
          reference: { kind: 'note', key: `noEnvironment/${host.name}` },
          label: 'No environments yet',
          description: 'add one',
          icon: { id: 'add' },
          context: 'note.noEnvironment',
          children: 'none',
          command: {
            id: 'thinClones.environment.add',
            subject: [{ kind: 'host', key: host.name }],
          },
          spoken: `No environments on ${host.name} yet, add one`,
        }),
      ]
    : [];
