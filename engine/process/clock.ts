/** Real time and real chance behind their ports. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Random } from '../ports/clock.ts';

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }),
};

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
const passwordAlphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789abcdefg';

const draw = (letters: string, count: number): string =>
  [...randomBytes(count)].map((byte) => letters[byte % letters.length]).join('');

/** 32 letters: 5 bits each without bias; 64 for passwords (seven of them twice): over 130 bits in 24. */
export const systemRandom: Random = {
  id: () => draw(alphabet, 16),
  password: () => draw(passwordAlphabet, 24),
};
