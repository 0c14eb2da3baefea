/** How a handler comes to the engine that runs at the moment: to look, to change, or to ask for a job. */
import type { Job } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import type { Caller } from '../../services/caller.ts';
import type { ServiceContext } from '../../services/context.ts';
import type { Services } from '../../services/services.ts';

/** A running engine's insides; `blocked` says why nothing may be changed. */
export interface Running {
  context: ServiceContext;
  services: Services;
  blocked: string | null;
}

export interface EngineAccess {
  /** Resolves when the engine has recovered; rejects with the reason when it can't run here. */
  readonly running: () => Promise<Running>;
  /** For changes: refused while the state can't be trusted. */
  readonly trusted: () => Promise<Running>;
  /** For changes that are no jobs and write more than they take away. */
  readonly growing: () => Promise<Running>;
  /** The same key again: the job that it started or joined, also when that has ended and the request would be refused now. */
  readonly once: (
    caller: Caller,
    submit: (services: Services, context: ServiceContext) => Job | Promise<Job>,
  ) => Promise<{ job: Job }>;
}

export interface AccessOptions {
  running: () => Promise<Running>;
  /** Throws `state_full` when the state has room for nothing new. */
  demandRoom?: (() => void) | undefined;
}

export function createEngineAccess({ running, demandRoom }: AccessOptions): EngineAccess {
  const trusted = async (): Promise<Running> => {
    const found = await running();
    if (found.blocked !== null) throw fail('state_blocked', { problem: found.blocked });
    return found;
  };
  return {
    running,
    trusted,
    async growing() {
      const found = await trusted();
      demandRoom?.();
      return found;
    },
    async once(caller, submit) {
      const { context, services } = await trusted();
      const { idempotencyKey: key } = caller;
      const repeated = key === undefined ? undefined : context.runner.repeated(key);
      return { job: repeated ?? (await submit(services, context)) };
    },
  };
}
