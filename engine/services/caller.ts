/** Who asks for a change. */
import type { IdempotencyKey } from '../state/store.ts';

export interface Caller {
  user: string;
  idempotencyKey?: IdempotencyKey | undefined;
}
