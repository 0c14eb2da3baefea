/** A host that is killed before its n-th change: that change and all later ones do not happen, as with kill -9. */
import type { Machine } from '../../../engine/machine/machine.ts';

export class KilledError extends Error {
  override readonly name = 'KilledError';
}

export interface CrashingHost {
  machine: Machine;
  /** Changes that were made or refused so far. */
  changes(): number;
}

const CHANGES = ['writeAtomic', 'append', 'makeDirectory', 'rename', 'remove', 'giveToServerUser'] as const;

export function createCrashingHost(real: Machine, killedBefore: number): CrashingHost {
  let count = 0;
  const step = (): void => {
    count += 1;
    if (count >= killedBefore) throw new KilledError(`killed before change ${killedBefore}`);
  };
  const files = { ...real.files };
  for (const name of CHANGES) {
    const change = real.files[name].bind(real.files) as (...args: unknown[]) => Promise<void>;
    Object.assign(files, {
      [name]: async (...args: unknown[]) => {
        step();
        await change(...args);
      },
    });
  }
  const machine: Machine = {
    ...real,
    files,
    run: async (command, options) => {
      step();
      return real.run(command, options);
    },
  };
  return { machine, changes: () => count };
}
