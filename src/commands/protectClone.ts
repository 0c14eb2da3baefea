/** Protects a clone from being destroyed, for a while or for good, or no longer. */
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { pickClone, pickValue } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { isProtected } from '../views/treeRows.ts';
import type { RowOf } from '../views/rowId.ts';

const hour = 60;

export async function protectClone(services: Services, row?: RowOf<'clone'>): Promise<void> {
  const clone = await pickClone(services, row, {
    title: 'Protect Clone',
    placeHolder: 'Which clone?',
    accept: ({ state }) => state !== 'destroying',
  });
  if (clone === undefined) return;
  const choice = await pickValue<{ minutes: number | 'forever' | null }>(
    [
      ...(isProtected(clone, Date.now())
        ? [
            {
              label: '$(unlock) No longer',
              description: 'it can be destroyed again',
              value: { minutes: null },
            },
          ]
        : []),
      { label: '$(lock) For 8 hours', value: { minutes: 8 * hour } },
      { label: '$(lock) For 3 days', value: { minutes: 3 * 24 * hour } },
      { label: '$(lock) For 2 weeks', value: { minutes: 14 * 24 * hour } },
      { label: '$(lock) For good', description: 'until you switch it off', value: { minutes: 'forever' } },
    ],
    {
      title: `Protect ${clone.name}`,
      placeHolder: 'A protected clone is not destroyed, also not when it is idle',
    },
  );
  if (choice === undefined) return;
  const client = await services.client();
  await client.call('cloneProtect', { params: { clone: referenceSchema.parse(clone.id) }, body: choice });
}
