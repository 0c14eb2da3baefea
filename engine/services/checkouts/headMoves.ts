/** Watches the HEAD of one checkout, and says when it has moved and stands still. */
import type { WorkingTree } from '../../git/git.ts';
import { toFailure } from '../../protocol/errors.ts';
import type { ServiceContext } from '../context.ts';

/** HEAD has to stand still for this long: Git writes it several times in one operation. */
const settleMs = 40;
/** However often it moves, it is looked at after this long. */
const settleAtMostMs = 300;

export interface HeadMoves {
  /** Of this working tree from now on. */
  watch(tree: WorkingTree): Promise<void>;
  /** The monotonic time of the first move since it was asked for last; undefined: it did not move. */
  take(): number | undefined;
  close(): void;
}

export interface HeadMovesOptions {
  context: Pick<ServiceContext, 'git' | 'clock' | 'log'>;
  signal: AbortSignal;
  onStill: () => Promise<void>;
}

export function createHeadMoves({ context, signal, onStill }: HeadMovesOptions): HeadMoves {
  const { git, clock, log } = context;
  let watcher: { close(): void } | undefined;
  let firstMove: number | undefined;
  let movedAt = 0;
  let isSettling = false;

  const settle = async (): Promise<void> => {
    const first = movedAt;
    try {
      for (;;) {
        const left = Math.min(movedAt + settleMs, first + settleAtMostMs) - clock.monotonic();
        if (left <= 0) break;
        await clock.sleep(left, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      return;
    } finally {
      isSettling = false;
    }
    await onStill();
  };

  const moved = (): void => {
    movedAt = clock.monotonic();
    firstMove ??= movedAt;
    if (isSettling) return;
    isSettling = true;
    settle().catch((error: unknown) => log.error('a move of HEAD', { problem: toFailure(error).message }));
  };

  return {
    async watch(tree) {
      watcher?.close();
      watcher = await git.watch(tree, moved);
      if (signal.aborted) watcher.close();
    },
    take() {
      const taken = firstMove;
      firstMove = undefined;
      return taken;
    },
    close: () => watcher?.close(),
  };
}
