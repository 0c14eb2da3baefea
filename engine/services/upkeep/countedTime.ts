/** The time that lives and protections are decided by: jumps of the wall clock, and time in which no engine looked, move what ends by it along. */
import { gapBetween, isTimed, jumpBetween, movedAlong, type Moment } from '../../domain/countedTime.ts';
import type { CloneRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';

export interface CountedTime {
  /** Wall time, once every time that something ends at was moved along with the jumps until now. */
  now(): Date;
  /** For the start of an engine: the time since an earlier one looked does not count. */
  resume(): void;
  /** Notes with the clones up to when their time has counted, for the next engine. */
  note(): void;
}

/** `onJump`: for times that are kept elsewhere; `now` in RFC 3339. */
export function createCountedTime(
  context: Pick<ServiceContext, 'store' | 'clock' | 'log'>,
  onJump: (jumpMs: number, now: string) => void = () => undefined,
): CountedTime {
  const { store, clock, log } = context;
  const look = (): Moment => ({ wallMs: clock.now().getTime(), monotonicMs: clock.monotonic() });
  let last = look();

  /** Tags are not written here: they are compared with the rows at every start. */
  const change = (changed: (clone: CloneRecord) => CloneRecord): void => {
    const timed = store.clones.list().filter(isTimed);
    if (timed.length === 0) return;
    store.transaction(() => {
      for (const clone of timed) store.clones.put(changed(clone));
    });
  };

  const nowCounted = (): Date => {
    const moment = look();
    const jumpMs = jumpBetween(last, moment);
    const now = new Date(moment.wallMs);
    if (jumpMs !== 0) {
      log.info('the clock jumped, or nobody looked: times move along', { ms: Math.round(jumpMs) });
      change((clone) => ({ ...movedAlong(clone, jumpMs), countedAt: now.toISOString() }));
      onJump(jumpMs, now.toISOString());
    }
    last = moment;
    return now;
  };

  return {
    now: nowCounted,
    resume() {
      last = look();
      const now = new Date(last.wallMs).toISOString();
      change((clone) => ({
        ...movedAlong(clone, clone.countedAt === null ? 0 : gapBetween(clone.countedAt, now)),
        countedAt: now,
      }));
    },
    note() {
      const now = nowCounted().toISOString();
      change((clone) => ({ ...clone, countedAt: now }));
    },
  };
}
