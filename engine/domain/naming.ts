/** Names that the engine gives when nobody chose one. */
import type { Snapshot } from '../protocol/entities.ts';
import { cloneNameSchema, snapshotNameSchema, type CloneName, type SnapshotName } from '../protocol/ids.ts';

type SnapshotOrigin = Snapshot['origin'];

/** `clone-1`, `clone-2` ...: the lowest number that is free. */
export function freeCloneName(taken: ReadonlySet<string>): CloneName {
  for (let number = 1; ; number++) {
    const name = `clone-${number}`;
    if (!taken.has(name)) return cloneNameSchema.parse(name);
  }
}

/**
 * `2026-11-20-0300` of a refresh, in UTC, `commit-2026-11-20-0300` of what was made of a clone; `-2`, `-3` ... when the minute is
 * taken already.
 */
export function freeSnapshotName(
  at: string,
  taken: ReadonlySet<string>,
  origin: SnapshotOrigin = 'refresh',
): SnapshotName {
  const time = `${at.slice(0, 10)}-${at.slice(11, 13)}${at.slice(14, 16)}`;
  const base = origin === 'refresh' ? time : `${origin}-${time}`;
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(name)) return snapshotNameSchema.parse(name);
  }
}

/** The name itself, or with `-2`, `-3` ... when it is taken; shortened where it would get too long. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name.slice(0, 120)}-${number}`;
    if (!taken.has(candidate)) return candidate;
  }
}

/** Whom people log in to a clone as, where the environment names nobody. */
export const cloneUser = 'thin_clone';

/** Whom a new clone lets in to a member. */
export const userOf = (member: { user?: string | undefined } | undefined): string =>
  member?.user ?? cloneUser;
