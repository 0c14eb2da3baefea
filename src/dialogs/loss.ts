/** Says what is lost with a clone: what was changed in it where that is known, else that it is its own data. */
import { changesOf, nothingChanged } from '../../engine/protocol/cloneChanges.ts';
import type { Clone } from '../../engine/protocol/entities.ts';
import type { Services } from '../services.ts';
import { sizeOf } from '../views/amounts.ts';

/** What a clone occupies is no sign of changes: its server writes by itself, too. */
const ownData = (bytes: number): string => (bytes === 0 ? 'own data' : `own data (${sizeOf(bytes)})`);

export async function lossOf(services: Services, clone: Clone, fate: string): Promise<string> {
  const known = clone.state === 'ready' ? await changesOf(await services.client(), clone.id) : undefined;
  if (known === undefined) return `Its ${ownData(clone.bytes.unshared ?? 0)} ${fate}.`;
  return known === nothingChanged ? known : `${known} That ${fate}.`;
}

export const lossOfAll = (clones: readonly Clone[]): string =>
  `Their ${ownData(clones.reduce((sum, { bytes }) => sum + (bytes.unshared ?? 0), 0))} is gone for good.`;
