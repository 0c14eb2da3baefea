/** Whether the file system of a storage answers, also to what writes: asked by a process of its own, so that nothing of the engine hangs with it. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Machine } from '../machine/machine.ts';
import { fail } from '../protocol/errors.ts';
import { POOL_FILE } from './pool.ts';

export interface FileSystemAnswers {
  /**
   * Resolves at once when one was had within `freshMs`. Errors: `storage_unanswered`, after `patienceMs`, and at once
   * while the last question still hangs.
   */
  demand(root: string, freshMs?: number): Promise<void>;
}

export interface FileSystemAnswersOptions {
  machine: Pick<Machine, 'run' | 'platform'>;
  patienceMs?: number;
}

export function createFileSystemAnswers(options: FileSystemAnswersOptions): FileSystemAnswers {
  const { machine, patienceMs = 5000 } = options;
  const underway = new Map<string, Promise<void>>();
  const lastAnswers = new Map<string, number>();

  const ask = (root: string): Promise<void> => {
    const answered = new AbortController();
    const killing = new AbortController();
    const late = delay(patienceMs, undefined, { signal: answered.signal }).then((): never => {
      killing.abort();
      throw fail('storage_unanswered', { path: root });
    });
    // Any answer will do, a refusal as well. What waits in the kernel may not even be killed.
    const answer = machine
      .run(
        // The time of our own file is written where there is one (-c: none is made): a frozen file system answers to reading.
        { program: 'touch', args: ['-c', join(root, POOL_FILE)], parse: () => undefined },
        { signal: killing.signal },
      )
      .catch(() => undefined)
      .then(() => {
        underway.delete(root);
        if (!killing.signal.aborted) lastAnswers.set(root, performance.now());
        answered.abort();
      });
    return Promise.race([answer, late]);
  };

  return {
    async demand(root, freshMs = 0) {
      if (machine.platform === 'win32') return;
      const last = lastAnswers.get(root);
      if (last !== undefined && performance.now() - last < freshMs) return;
      const asked = underway.get(root) ?? ask(root);
      underway.set(root, asked);
      await asked;
    },
  };
}
