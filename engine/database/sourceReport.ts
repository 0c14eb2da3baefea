/** Tells what was found at a source, also when something was in the way. */
import type { SourceReport } from '../protocol/entities.ts';
import { ThinClonesError } from '../protocol/errors.ts';

/** What was found until the end, or until the error. */
export type Findings = Omit<SourceReport, 'ok' | 'error'>;

/** How errors name a member that is not saved yet. */
export const MEMBER_BEING_TESTED = 'being tested';

/** Errors of the table come back in the report; others, and an abort, are thrown. */
export async function reportOf(
  examine: (findings: Findings) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<SourceReport> {
  const findings: Findings = { serverVersion: null, databases: [], tables: [], warnings: [] };
  try {
    await examine(findings);
    return { ok: true, error: null, ...findings };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof ThinClonesError)) throw error;
    return { ok: false, error: error.document, ...findings };
  }
}
