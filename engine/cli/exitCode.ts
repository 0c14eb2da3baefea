/** What the process ends with: 0 done, 1 failed, 2 usage, 3 refused, 4 engine or host unreachable, 5 what was asked can not be told. */
import type { ErrorCode, ThinClonesError } from '../protocol/errors.ts';

export const exitCodes = { done: 0, failed: 1, usage: 2, refused: 3, unreachable: 4, unknown: 5 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Codes whose HTTP status alone would tell a script the wrong thing. */
const byCode: Partial<Record<ErrorCode, ExitCode>> = {
  // Not a refusal: it was started and came to nothing.
  canceled: exitCodes.failed,
  job_left: exitCodes.failed,
  host_declined: exitCodes.failed,
  // A refusal to change anything, although the engine answers 503.
  state_blocked: exitCodes.refused,
  not_supported: exitCodes.refused,
  engine_unreachable: exitCodes.unreachable,
  engine_start_failed: exitCodes.unreachable,
  node_too_old: exitCodes.unreachable,
  shutting_down: exitCodes.unreachable,
  protocol_mismatch: exitCodes.unreachable,
  host_unreachable: exitCodes.unreachable,
  ssh_missing: exitCodes.unreachable,
  host_dns: exitCodes.unreachable,
  host_refused: exitCodes.unreachable,
  host_timeout: exitCodes.unreachable,
  host_shell: exitCodes.unreachable,
  engine_parts: exitCodes.unreachable,
  host_unsupported: exitCodes.unreachable,
  host_tools: exitCodes.unreachable,
  host_folder: exitCodes.unreachable,
  host_full: exitCodes.unreachable,
  upload_failed: exitCodes.unreachable,
};

/** 400: what was typed is wrong; 401-409: refused; anything else, as a source that does not answer (422), failed. */
export function exitCodeOf(failure: ThinClonesError): ExitCode {
  const named = (byCode as Record<string, ExitCode | undefined>)[failure.code];
  if (named !== undefined) return named;
  if (failure.status === 400) return exitCodes.usage;
  if (failure.status > 400 && failure.status <= 409) return exitCodes.refused;
  return exitCodes.failed;
}
