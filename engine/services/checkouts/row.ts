/** The row of one checkout: read by everybody, written by its follower alone. */
import { fail } from '../../protocol/errors.ts';
import type { CheckoutId } from '../../protocol/ids.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';

export interface CheckoutRow {
  /** Errors: `not_found` when the checkout was forgotten. */
  read(): CheckoutRecord;
  isThere(): boolean;
  change(changes: Partial<CheckoutRecord>): void;
}

export function createCheckoutRow({ store }: Pick<ServiceContext, 'store'>, id: CheckoutId): CheckoutRow {
  const read = (): CheckoutRecord => {
    const found = store.checkouts.get(id);
    if (found === undefined) throw fail('not_found', { kind: 'checkout', name: id });
    return found;
  };
  return {
    read,
    isThere: () => store.checkouts.get(id) !== undefined,
    change: (changes) => store.checkouts.put({ ...read(), ...changes }),
  };
}
