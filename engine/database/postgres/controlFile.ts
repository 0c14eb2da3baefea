/** Reads from pg_control whether a data directory was stopped cleanly. */
import { endianness } from 'node:os';
import type { Machine } from '../../machine/machine.ts';

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

/** Where in the file: after the system identifier (8 bytes) and two versions (4 each). */
const STATE_AT = 16;

/** The state is a 32-bit number in the machine's byte order; the server packages that travel with us have no pg_controldata. */
export async function controlState(machine: Machine, dataDirectory: string): Promise<ControlState> {
  const bytes = await machine.files
    .inside(dataDirectory)
    .readBytes('global/pg_control', { maxBytes: STATE_AT + 4, part: 'start' });
  if (bytes === undefined || bytes.length < STATE_AT + 4) return 'unknown';
  const state = endianness() === 'LE' ? bytes.readUInt32LE(STATE_AT) : bytes.readUInt32BE(STATE_AT);
  return STATES[state] ?? 'unknown';
}
