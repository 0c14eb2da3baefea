/** Clears away what a killed server or a power failure left: children that still hold the data, stale pid and socket files. */
import type { Machine } from '../../machine/machine.ts';
import type { ServerSpec, ServerTraits } from '../runtime.ts';
import { waitUntilGone } from './endServer.ts';
import { findServerProcesses } from './serverProcesses.ts';

export async function clearRemains(machine: Machine, spec: ServerSpec, traits: ServerTraits): Promise<void> {
  const data = machine.files.inside(spec.dataDirectory);
  const { pidFile } = traits;
  if (pidFile !== undefined && (await data.stat(pidFile)) !== undefined) {
    const orphans = await findServerProcesses(machine, traits, spec.identity, undefined);
    for (const orphan of orphans) await machine.processes.signal(orphan, 'SIGKILL');
    for (const orphan of orphans) await waitUntilGone(machine, { ...orphan, identity: '' }, 2_000, undefined);
    await data.remove(pidFile);
  }
  const sockets = machine.files.inside(spec.socketDirectory);
  for (const { name } of await sockets.list('.')) {
    if (traits.isSocketFile(name)) await sockets.remove(name);
  }
}
