/** Tells snapshots apart for people: what came from the source, and what was made of a clone, by what it was made for. */
import type { Snapshot } from '../../engine/protocol/entities.ts';

export const isRefreshed = ({ origin }: Snapshot): boolean => origin === 'refresh';

/** Beside the age; a refresh needs no word. */
export const snapshotOrigins: Readonly<Record<Snapshot['origin'], string | undefined>> = {
  refresh: undefined,
  commit: 'committed',
  kept: 'kept at a reset',
  branch: 'start of a branch',
};

/** What somebody wrote of it, which says more than its name. */
export const snapshotLabel = ({ name, message }: Snapshot): string =>
  message?.split('\n').find((line) => line.trim() !== '') ?? name;
