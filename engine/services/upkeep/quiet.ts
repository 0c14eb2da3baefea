/** The record as it is now, if nothing works on it: whatever a look found may be old. */
import type { CloneRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';

export function quiet({ store, runner }: ServiceContext, clone: CloneRecord): CloneRecord | undefined {
  const current = store.clones.get(clone.id);
  const busy = runner.holder([{ key: clone.id, mode: 'exclusive' }]) !== undefined;
  return busy || current?.generation !== clone.generation ? undefined : current;
}
