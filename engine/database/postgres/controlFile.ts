/** Reads from pg_control whether a data directory was stopped cleanly. */
import path from 'node:path';
import type { Host } from '../../host/host.ts';

/** enum DBState of src/include/catalog/pg_control.h, the same from PostgreSQL 9.0 to 18. */
const STATES = [
  'starting up',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
] as const;
export type ControlState = (typeof STATES)[number] | 'unknown';

/**
 * The state is a 32-bit number in the machine's byte order, after the system identifier (8 bytes) and two versions (4 each).
 * Read with od(1), because the server packages that travel with us have no pg_controldata.
 */
export async function controlState(host: Host, dataDirectory: string): Promise<ControlState> {
  return await host.run({
    program: 'od',
    args: ['-A', 'n', '-t', 'u4', '-j', '16', '-N', '4', path.join(dataDirectory, 'global', 'pg_control')],
    env: { LC_ALL: 'C' },
    parse: (result) => STATES[Number.parseInt(result.stdout, 10)] ?? 'unknown',
  });
}
