/** What this machine remembers of its clones on other hosts for their clean-up, kept for the next engine. */
import * as z from 'zod';
import { gapBetween, movedAlong } from '../domain/countedTime.ts';
import type { Log } from '../ports/log.ts';
import type { KeptText } from '../process/keptText.ts';
import { proposalSchema } from '../protocol/entities.ts';
import { toFailure } from '../protocol/errors.ts';
import { cloneIdSchema, hostNameSchema, type CloneId, type HostName } from '../protocol/ids.ts';
import type { HostClones, Remembered } from '../services/checkouts/hostClones.ts';

const entrySchema = z.object({
  host: hostNameSchema,
  clone: cloneIdSchema,
  worktree: z.string().nullable(),
  finished: z
    .object({ branch: z.string(), reason: proposalSchema.shape.reason, since: z.iso.datetime() })
    .nullable(),
});
type Entry = z.infer<typeof entrySchema>;
const fileSchema = z.object({
  format: z.literal(1),
  /** Up to when their times have counted, RFC 3339. */
  countedAt: z.iso.datetime(),
  clones: z.array(entrySchema),
});

export type HostMemory = Pick<
  HostClones,
  'rememberWorktree' | 'rememberFinished' | 'remembered' | 'moveTimes'
>;

export interface RememberedClones {
  of(host: HostName): HostMemory;
  keepOnly(isThere: (host: HostName, clone: CloneId) => boolean): void;
  /** Resolves when everything is kept. */
  quiet(): Promise<void>;
}

/** `now` in RFC 3339: the time since an earlier engine looked does not count. */
export async function openRememberedClones(file: KeptText, now: string, log: Log): Promise<RememberedClones> {
  const failed = (error: unknown): void =>
    log.warning('what is remembered of clones of other hosts', { problem: toFailure(error).message });
  // What is not known begins anew.
  let entries: readonly Entry[] = await read(file, now).catch((error: unknown) => (failed(error), []));
  let countedAt = now;
  let isKept = true;
  let writing = Promise.resolve();
  const changed = (): void => {
    isKept = false;
    writing = writing
      .then(async () => {
        if (isKept) return;
        isKept = true;
        await file.write(JSON.stringify({ format: 1, countedAt, clones: entries }));
      })
      .catch(failed);
  };
  const remembered = (host: HostName, clone: CloneId): Remembered => {
    const { worktree = null, finished = null } =
      entries.find((each) => each.host === host && each.clone === clone) ?? {};
    return { worktree, finished };
  };
  const remember = (host: HostName, clone: CloneId, what: Partial<Remembered>): void => {
    const { worktree, finished } = { ...remembered(host, clone), ...what };
    const others = entries.filter((each) => each.host !== host || each.clone !== clone);
    const isAny = worktree !== null || finished !== null;
    entries = isAny ? [...others, { host, clone, worktree, finished }] : others;
    changed();
  };
  return {
    of: (host) => ({
      remembered: (clone) => remembered(host, clone),
      rememberWorktree(clone, worktree) {
        if (remembered(host, clone).worktree !== worktree) remember(host, clone, { worktree });
      },
      rememberFinished(clone, finished, at) {
        countedAt = at;
        if (finished !== null || remembered(host, clone).finished !== null)
          remember(host, clone, { finished });
      },
      moveTimes(jumpMs, at) {
        countedAt = at;
        entries = entries.map((each) => (each.host === host ? moved(each, jumpMs) : each));
        changed();
      },
    }),
    keepOnly(isThere) {
      const left = entries.filter(({ host, clone }) => isThere(host, clone));
      if (left.length === entries.length) return;
      entries = left;
      changed();
    },
    quiet: () => writing,
  };
}

async function read(file: KeptText, now: string): Promise<Entry[]> {
  const text = await file.read();
  if (text === undefined) return [];
  const { countedAt, clones } = fileSchema.parse(JSON.parse(text));
  return clones.map((each) => moved(each, gapBetween(countedAt, now)));
}

const moved = (entry: Entry, jumpMs: number): Entry => ({
  ...entry,
  finished: movedAlong({ protectedUntil: null, finished: entry.finished }, jumpMs).finished,
});
