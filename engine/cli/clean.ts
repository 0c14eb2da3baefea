/** `thin-clones clean`: destroy clones of merged or deleted branches and of removed working trees. */
import type { Command } from 'commander';
import type { CallOptions } from '../protocol/client.ts';
import type { Proposal } from '../protocol/entities.ts';
import { fail, isFailure, toFailure } from '../protocol/errors.ts';
import { confirm } from './confirm.ts';
import { exitCodeOf } from './exitCode.ts';
import { runJob } from './follow.ts';
import { formatAge, formatBytes, formatTable, printable } from './format.ts';
import type { Session } from './session.ts';

const reasons: Readonly<Record<Proposal['reason'], string>> = {
  merged: 'merged',
  deleted: 'branch deleted',
  'remote-deleted': 'deleted on the remote',
  'worktree-removed': 'worktree removed',
};

export function addCleanCommand(program: Command, session: Session): void {
  const { output, signal, surroundings } = session;

  /** Why a clone is left, for people; null when it may go. */
  const leftBecause = ({ isProtected, createdBy }: Proposal): string | null => {
    if (isProtected) return 'protected';
    return createdBy === surroundings.user ? null : `made by ${createdBy}`;
  };
  const table = (items: readonly Proposal[]): string => {
    const now = surroundings.now();
    return formatTable(
      ['CLONE', 'ENVIRONMENT', 'BRANCH', 'WHY', 'SINCE', 'AGE', 'OWNER', 'FREES', 'GOES'],
      items.map((each) => [
        each.name,
        each.environment,
        each.branch,
        reasons[each.reason],
        formatAge(each.since, now),
        formatAge(each.createdAt, now),
        each.createdBy,
        formatBytes(each.bytes.unshared),
        leftBecause(each) === null ? (each.destroyAt ?? 'when you say so') : `no: ${leftBecause(each) ?? ''}`,
      ]),
    );
  };
  const proposals = async (): Promise<Proposal[]> =>
    (await (await session.client()).call('proposalList', {}, { signal })).items;

  program
    .command('clean')
    .description('destroy clones whose branch is merged or gone, or whose working tree was removed')
    .argument('[clones...]', 'only these (default: all that are yours and not protected)')
    .option('--dry-run', 'only list them')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  $ thin-clones clean --dry-run')
    .action(async (chosen: string[], options: { dryRun?: boolean; yes?: boolean }) => {
      const items = await proposals();
      if (options.dryRun === true) {
        output.answer({
          json: { items },
          text: () => (items.length === 0 ? 'There is nothing to clean up.' : table(items)),
        });
        return;
      }
      const named = (each: Proposal): boolean =>
        chosen.length === 0 || chosen.includes(each.name) || chosen.includes(each.clone);
      for (const name of chosen) {
        const found = items.find((each) => each.name === name || each.clone === name);
        const known = items.map((each) => each.name);
        if (found === undefined) throw fail('not_found', { kind: 'proposal', name, known });
        const why = leftBecause(found);
        if (why !== null)
          throw fail('usage', {
            problem: `Clone ${found.name} is not cleaned up: ${why}.`,
            hint: `Destroy it by hand if that is what you want: thin-clones clone destroy ${found.name}`,
          });
      }
      const going = items.filter((each) => named(each) && leftBecause(each) === null);
      if (going.length === 0) {
        output.answer({
          json: { items: [] },
          text: () => (items.length === 0 ? 'There is nothing to clean up.' : table(items)),
        });
        return;
      }
      if (options.yes !== true && session.prompter.available) output.note(table(items));
      const count = going.length === 1 ? `clone ${going[0]?.name ?? ''}` : `${going.length} clones`;
      await confirm(session.prompter, {
        question: `Destroy ${count} and all data in them?`,
        yes: options.yes,
      });

      // Somebody may have gone back to a branch while the question stood.
      const still = new Set(
        (await proposals()).filter((each) => leftBecause(each) === null).map(({ clone }) => clone),
      );
      const client = await session.client();
      const done: { clone: string; name: string; outcome: 'destroyed' | 'left'; problem: string | null }[] =
        [];
      for (const { clone, name } of going) {
        const told = (outcome: 'destroyed' | 'left', problem: string | null) =>
          done.push({ clone, name, outcome, problem });
        if (!still.has(clone)) {
          told('left', 'it is in use again');
          continue;
        }
        try {
          const ask = (following: CallOptions) =>
            client.call('cloneDestroy', { params: { clone } }, following);
          await runJob(session, ask, { lines: false });
          told('destroyed', null);
        } catch (error) {
          if (signal.aborted || isFailure(error, 'canceled') || isFailure(error, 'job_left')) throw error;
          // One that can't go keeps none of the others.
          const failure = toFailure(error);
          told('left', failure.message);
          session.exitCode = exitCodeOf(failure);
        }
      }
      output.answer({
        json: { items: done },
        text: () =>
          done
            .map(({ name, outcome, problem }) =>
              outcome === 'destroyed'
                ? `Clone ${printable(name)} is destroyed.`
                : `Clone ${printable(name)} is left: ${printable(problem ?? '')}`,
            )
            .join('\n'),
      });
    });
}
