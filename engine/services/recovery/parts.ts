/** What the parts of recovery work with: work on many clones or datasets, of which none may keep people from the others. */
import type { ServiceContext } from '../context.ts';
import { createLooks, type Looks } from '../upkeep/looks.ts';

export interface RecoveryParts {
  readonly context: ServiceContext;
  /** For work on many: one that hangs is left to itself, and keeps nobody from the others. */
  readonly looks: Looks;
  /** What fails is logged with these fields, and tried again at the next start. */
  readonly bestEffort: (
    what: string,
    fields: Record<string, unknown>,
    work: () => Promise<void>,
  ) => Promise<void>;
}

/** Looks at processes, and removals, at once. */
export const looksAtOnce = 12;
/** A server that must be killed, and what is left of it, takes less. */
const patienceMs = 20_000;

export function createRecoveryParts(context: ServiceContext): RecoveryParts {
  return {
    context,
    looks: createLooks(context.clock, patienceMs),
    async bestEffort(what, fields, work) {
      try {
        await work();
      } catch (error) {
        // best effort: it is tried again at the next start, and must not keep people from their clones
        const problem = error instanceof Error ? error.message : String(error);
        context.log.warning(what, { ...fields, problem });
      }
    },
  };
}
