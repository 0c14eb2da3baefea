/** Proves that people get in: a login opens a session in a database, by the server's port and with all settings that it finds there. */
import type { Socket } from 'node:net';
import { fail } from '../../protocol/errors.ts';
import type { ServerSpec } from '../../runtime/runtime.ts';
import { sqlState } from './admin.ts';
import { askName, knock, type PersonLogin } from './login.ts';

/** What a database does at a login, a trigger among it, may take its time. */
const LOGIN_MS = 60_000;

export interface CheckLoginOptions {
  signal?: AbortSignal | undefined;
  /** How long the server may say nothing. Default: a minute. */
  patienceMs?: number | undefined;
  /** A connection to the port that nothing was said on yet. */
  door?: Socket | undefined;
}

/** Rejects with `server_start_failed` with the server's reason, and when another one answers. */
export async function checkLogin(
  spec: ServerSpec,
  login: PersonLogin,
  { signal, patienceMs = LOGIN_MS, door }: CheckLoginOptions,
): Promise<void> {
  signal?.throwIfAborted();
  const failed = (problem: string, cause?: unknown): Error =>
    fail('server_start_failed', { server: spec.title, problem }, cause === undefined ? {} : { cause });
  if (spec.port === null) throw failed('it has no port for logins.');
  let name: string;
  try {
    name = await askName(door ?? knock(spec.port), login, { patienceMs, signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (sqlState(error) === undefined) throw error;
    throw failed(error instanceof Error ? error.message : String(error), error);
  }
  if (name !== spec.identity)
    throw failed(`another server (${name === '' ? 'unnamed' : name}) answers at port ${spec.port}.`);
}
