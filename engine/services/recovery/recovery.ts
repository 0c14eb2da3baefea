/** What the engine does when it starts: finish or undo old jobs, compare state and storage, bring clones back up. */
import type { JobKind } from '../../jobs/steps.ts';
import type { CloneId, DatasetId } from '../../protocol/ids.ts';
import { createCloneServers } from '../clones/cloneServers.ts';
import type { Servers } from '../clones/servers.ts';
import type { ServiceContext } from '../context.ts';
import { adopt } from './adopt.ts';
import { createBringUp } from './bringUp.ts';
import { clearLeftovers, releaseBranchStarts } from './leftovers.ts';
import { createRecoveryParts } from './parts.ts';
import { planFor } from './plan.ts';
import { renewPasswords } from './renewPasswords.ts';
import { retag } from './retag.ts';
import { beginIdleTimeAnew, markLost, settleRows } from './settleRows.ts';
import { endProcessesOf, finishGivenUp, sweepUnfinished } from './sweep.ts';

export interface RecoveryReport {
  adopted: { snapshots: number; clones: number };
  swept: number;
  lost: readonly DatasetId[];
  puzzling: readonly DatasetId[];
}

export interface Recovery {
  /** Idempotent. Resolves when state and storage agree; members of clones that are to be brought up are `starting` then. */
  run(kinds: readonly JobKind[]): Promise<RecoveryReport>;
  /** Starts those clones, a few at once, those of branches first; resolves when each was tried. What the signal ends is left to the next engine. */
  bringUp(signal: AbortSignal): Promise<void>;
  /** Resolves when a clone is not waiting to be brought up, or being it; its turn comes at once. */
  settled(clone: CloneId): Promise<void>;
}

export function createRecovery(context: ServiceContext, servers: Servers): Recovery {
  const { store, storage, runner, log } = context;
  const parts = createRecoveryParts(context);
  const { bestEffort } = parts;
  const bringUp = createBringUp(parts, createCloneServers(context, servers));

  return {
    async run(kinds) {
      const left = store.jobs.unfinished();
      await runner.recover(kinds);
      await endProcessesOf(parts, left);
      const datasets = new Map((await storage.list()).map((dataset) => [dataset.id, dataset]));
      await finishGivenUp(parts, datasets);
      settleRows(context);
      const plan = planFor(context, datasets);
      adopt(context, datasets, plan);
      await sweepUnfinished(parts, datasets, plan.sweep);
      markLost(context, new Set(plan.lost));
      // Whoever does not know all clones does not know that nobody stands on it.
      if (plan.adoptSnapshots.length === 0 && plan.puzzling.length === 0) await releaseBranchStarts(parts);
      beginIdleTimeAnew(context);
      const renewed = renewPasswords(context);
      await bringUp.find(renewed);
      await bestEffort('tags could not be compared', {}, () => retag(parts, datasets));
      await bestEffort('leftovers could not be removed', {}, () => clearLeftovers(parts, servers, datasets));
      const report: RecoveryReport = {
        adopted: { snapshots: plan.adoptSnapshots.length, clones: plan.adoptClones.length },
        swept: plan.sweep.length,
        lost: plan.lost,
        puzzling: plan.puzzling,
      };
      log.info('recovered', { ...report });
      return report;
    },
    async bringUp(signal) {
      await Promise.all([
        bestEffort('the trash could not be emptied', {}, () => storage.emptyTrash({ signal })),
        bringUp.run(signal),
      ]);
    },
    settled: (clone) => bringUp.settled(clone),
  };
}
