/** How much a host may make this machine hold of it. */
import { fail } from '../protocol/errors.ts';
import type { HostView } from './qualified.ts';

/** Characters of all that it holds: some ten thousand clones. */
const most = 32 * 2 ** 20;

export interface Room {
  /** Something was told. Errors: `host_unreachable`, when all that it holds is too much. */
  take(told: object): void;
}

/** `view`: all that is held now. */
export function createRoom(host: string, view: () => HostView): Room {
  let atMost = 0;
  return {
    take(told) {
      atMost += JSON.stringify(told).length;
      if (atMost <= most) return;
      // What was told anew took the place of what was there.
      atMost = JSON.stringify(view()).length;
      if (atMost > most)
        throw fail('host_unreachable', {
          host,
          problem: `it tells of more than ${most / 2 ** 20} MB of things`,
        });
    },
  };
}
