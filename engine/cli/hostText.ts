/** A host and its storage, for people. */
import type { Host } from '../protocol/entities.ts';
import { formatBytes, formatFields } from './format.ts';

export const freeText = (host: Host): string =>
  host.storage === null
    ? '-'
    : `${formatBytes(host.storage.freeBytes)} of ${formatBytes(host.storage.totalBytes)}`;

const stateOf = ({ state, unreachableSince }: Host): string =>
  unreachableSince === null ? state : `${state} since ${unreachableSince}`;

export function hostText(host: Host): string {
  const { roundTripMs } = host;
  const compression = host.storage?.compression ?? null;
  return formatFields([
    ['name', host.name],
    ['kind', host.kind],
    ...(host.address === null ? [] : [['address', host.address] as const]),
    ['state', host.problem === null ? stateOf(host) : `${stateOf(host)}: ${host.problem}`],
    ...(host.next === null ? [] : [['next', host.next] as const]),
    ...(host.doing === null ? [] : [['doing', host.doing] as const]),
    ...(host.question === null ? [] : [['asks', host.question.text] as const]),
    ...(host.version === null ? [] : [['engine', host.version] as const]),
    ...(roundTripMs === null
      ? []
      : [['round trip', `${roundTripMs.toFixed(roundTripMs < 10 ? 1 : 0)} ms`] as const]),
    ['storage', host.storage?.label ?? 'none'],
    ['path', host.storage?.path ?? '-'],
    ['free', freeText(host)],
    ...(compression === null ? [] : [['compression', `${compression.toFixed(2)}x`] as const]),
  ]);
}
