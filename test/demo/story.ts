/** The demo's story: create a clone, ruin it, reset it, destroy it; each timed beside the floor and a full copy. */
import { join } from 'node:path';
import pg from 'pg';
import type { Client } from '../../engine/protocol/client.ts';
import type { Host as HostEntity, Snapshot } from '../../engine/protocol/entities.ts';
import type { Machine } from '../../engine/machine/machine.ts';
import { followJobs, type JobFollower } from '../support/engineClient.ts';
import { timeRawClone, type RawClone, type RawKind } from '../support/rawClone.ts';
import { withLogin } from '../support/session.ts';
import { BAD_MIGRATION, FINGERPRINT, TABLES } from './data.ts';
import { ENVIRONMENT, FEATURE_BRANCH } from './workspace.ts';

/** The story is told once, and its times are medians over this many rounds. */
const ROUNDS = 5;

/** Each sentence as it happens. */
export type Tell = (event: string, detail: string, ms?: number) => void;

export interface StoryOptions {
  readonly client: Client;
  readonly machine: Machine;
  readonly postgres: string;
  readonly major: number;
  readonly tell: Tell;
  readonly signal: AbortSignal;
}

export interface StoryTimes {
  /** For people: "btrfs, thin". */
  readonly storage: string;
  readonly thin: boolean;
  readonly createMs: number;
  readonly resetMs: number;
  readonly destroyMs: number;
  /** A raw copy by the same means plus a server start. */
  readonly floorMs: number;
  /** A full copy plus a server start. */
  readonly fullCopyMs: number;
  readonly rounds: number;
  readonly rawKind: RawKind;
}

export async function tellStory(options: StoryOptions): Promise<StoryTimes> {
  const { client, tell, signal } = options;
  const { hosts, snapshots, environments, clones } = await client.call('overview', {});
  const storage = hosts.find(({ name }) => name === 'local')?.storage;
  if (storage === null || storage === undefined)
    throw new Error('The engine has no storage on this machine.');
  const latest = environments.find(({ name }) => name === ENVIRONMENT)?.latestSnapshot;
  const snapshot = snapshots.find(({ id }) => id === latest);
  if (snapshot === undefined) throw new Error(`The environment ${ENVIRONMENT} has no snapshot.`);
  const taken = new Set(clones.map(({ name }) => name as string));
  const name = taken.has(FEATURE_BRANCH) ? freeName(taken) : FEATURE_BRANCH;

  const follower = await followJobs(client);
  const times = { create: [] as number[], reset: [] as number[], destroy: [] as number[] };
  const floors: number[] = [];
  const fullCopies: number[] = [];
  let made: string | undefined;
  try {
    const raw = async (kind: RawKind): Promise<RawClone> =>
      await timeRawClone({
        machine: options.machine,
        kind,
        from: dataOf(storage, snapshot),
        into: storage.path,
        postgres: options.postgres,
        major: options.major,
      });
    for (let round = 0; round < ROUNDS; round += 1) {
      signal.throwIfAborted();
      const isFirst = round === 0;
      const say = isFirst ? tell : (): void => undefined;
      floors.push((await raw(rawKindOf(storage))).totalMs);
      if (isFirst || round === ROUNDS - 1) fullCopies.push((await raw('copy')).totalMs);

      const created = await follower.time(() =>
        client.call('cloneCreate', { body: { environment: ENVIRONMENT, name } }),
      );
      made = created.job.object.id;
      times.create.push(created.ms);
      say('create', `clone ${name}: a writable copy of everything`, created.ms);
      // The other rounds are for the times alone.
      if (isFirst) await ruin(client, made, say);

      const clone = made;
      const reset = await follower.time(() => client.call('cloneReset', { params: { clone }, body: {} }));
      times.reset.push(reset.ms);
      say('reset', 'back to the snapshot; port, user and password stay', reset.ms);
      if (isFirst) await checkRestored(client, clone, say);

      const destroyed = await destroy(follower, client, clone);
      made = undefined;
      times.destroy.push(destroyed);
      say('destroy', 'the clone is gone, snapshot and source have noticed nothing', destroyed);
    }
  } finally {
    // Only after a failure in the middle of a round.
    if (made !== undefined) await destroy(follower, client, made).catch(() => undefined); // best effort: the failure counts
    await follower.close();
  }
  return {
    storage: storage.label,
    thin: storage.thin,
    createMs: median(times.create),
    resetMs: median(times.reset),
    destroyMs: median(times.destroy),
    floorMs: median(floors),
    fullCopyMs: median(fullCopies),
    rounds: ROUNDS,
    rawKind: rawKindOf(storage),
  };
}

export function rawKindOf({ driver }: NonNullable<HostEntity['storage']>): RawKind {
  return driver === 'btrfs' ? 'snapshot' : driver === 'reflink' ? 'reflink' : 'copy';
}

export function dataOf(storage: NonNullable<HostEntity['storage']>, snapshot: Snapshot): string {
  return join(storage.path, 'data', snapshot.members[0]?.dataset ?? '');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** What the clone held before it was ruined, by clone. */
const fingerprints = new Map<string, Record<string, string>>();

async function ruin(client: Client, clone: string, say: Tell): Promise<void> {
  await withClone(client, clone, async (session) => {
    const before = await fingerprintOf(session);
    fingerprints.set(clone, before);
    const started = performance.now();
    await session.query(BAD_MIGRATION);
    say(
      'break',
      `the branch's migration ruins it: an UPDATE of too much, a DROP TABLE`,
      performance.now() - started,
    );
    const after = await fingerprintOf(session);
    if (JSON.stringify(before) === JSON.stringify(after)) throw new Error('The migration changed nothing.');
    say('check', `broken: orders ${shortened(after)}, order_items ${after['order_items'] ?? ''}`);
  });
}

async function checkRestored(client: Client, clone: string, say: Tell): Promise<void> {
  await withClone(client, clone, async (session) => {
    const before = fingerprints.get(clone);
    const now = await fingerprintOf(session);
    fingerprints.delete(clone);
    for (const table of TABLES) {
      if (now[table] !== before?.[table]) {
        throw new Error(
          `After the reset ${table} has ${now[table] ?? 'nothing'}, before it had ${before?.[table] ?? 'nothing'}.`,
        );
      }
    }
    say('check', `all back: orders ${shortened(now)}, order_items ${now['order_items'] ?? ''}`);
  });
}

const shortened = (found: Readonly<Record<string, string>>): string => found['orders'] ?? '';

export async function fingerprintOf(session: pg.Client): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const table of TABLES) {
    try {
      const { rows } = await session.query<{ fingerprint: string }>(FINGERPRINT(table));
      found[table] = rows[0]?.fingerprint ?? '';
    } catch (error) {
      const UNDEFINED_TABLE = '42P01';
      if (!(error instanceof pg.DatabaseError && error.code === UNDEFINED_TABLE)) throw error;
      found[table] = 'is gone';
    }
  }
  return found;
}

/** As its user: by TCP, with the password that the engine hands out. */
async function withClone(
  client: Client,
  clone: string,
  work: (session: pg.Client) => Promise<void>,
): Promise<void> {
  const { items } = await client.call('cloneConnection', { params: { clone } });
  const connection = items[0];
  if (connection === undefined) throw new Error('The clone has no connection.');
  await withLogin(connection, work);
}

async function destroy(follower: JobFollower, client: Client, clone: string): Promise<number> {
  return (await follower.time(() => client.call('cloneDestroy', { params: { clone } }))).ms;
}

/** The person who tries the demo may have made a clone of that name. */
function freeName(taken: ReadonlySet<string>): string {
  let number = 1;
  while (taken.has(`demo-${number}`)) number += 1;
  return `demo-${number}`;
}
