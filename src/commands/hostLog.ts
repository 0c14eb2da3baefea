/** Shows what became of the latest attempts to reach another machine; of this one, the log of its engine. */
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { pickHost } from '../dialogs/pick.ts';
import { openPage } from '../documents.ts';
import { logPage } from '../hosts/logPage.ts';
import type { Services } from '../services.ts';
import type { RowOf } from '../views/rowId.ts';
import { hostOfRow } from './reconnectHost.ts';
import { showEngineLog } from './showLogs.ts';

export async function showHostLog(
  services: Services,
  row?: RowOf<'host' | 'environment' | 'clone' | 'snapshot'>,
): Promise<void> {
  const host = await pickHost(services, hostOfRow(services, row), 'Show Host Log');
  if (host === undefined) return;
  if (host.kind === 'local') {
    await showEngineLog(services);
    return;
  }
  const client = await services.client();
  const { items } = await client.call('hostLog', { params: { host: referenceSchema.parse(host.name) } });
  await openPage(`${host.name} (log)`, logPage(host.name, items));
}
