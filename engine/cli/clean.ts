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
  program
    .command('clean')
    .description('destroy clones whose branch is merged or gone, or whose working tree was removed')
    .argument('[clones...]', 'only these (default: all that are yours and not protected)')
    .option('--dry-run', 'only list them')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  $ thin-clones clean --dry-run')
    .action((chosen: string[], options: CleanOptions) => clean(session, chosen, options));
}

interface CleanOptions {
  dryRun?: boolean;
  yes?: boolean;
}

async function clean(
  session: Session,
  chosen: readonly string[],
  { dryRun, yes }: CleanOptions,
): Promise<void> {
  const { output, prompter } = session;
  const items = await proposals(session);
  const text = (): string =>
    items.length === 0 ? 'There is nothing to clean up.' : proposalTable(session, items);
  if (dryRun === true) {
    output.answer({ json: { items }, text });
    return;
  }
  const going = goingOf(session, items, chosen);
  if (going.length === 0) {
    output.answer({ json: { items: [] }, text });
    return;
  }
  if (yes !== true && prompter.available) output.note(text());
  const count = going.length === 1 ? `clone ${going[0]?.name ?? ''}` : `${going.length} clones`;
  await confirm(prompter, { question: `Destroy ${count} and all data in them?`, yes });
  const done = await destroyAll(session, going);
  output.answer({ json: { items: done }, text: () => done.map(outcomeText).join('\n') });
}

const proposals = async (session: Session): Promise<Proposal[]> =>
  (await (await session.client()).call('proposalList', {}, { signal: session.signal })).items;

/** Why a clone is left, for people; null when it may go. */
function leftBecause({ surroundings }: Session, { isProtected, createdBy }: Proposal): string | null {
  if (isProtected) return 'protected';
  return createdBy === surroundings.user ? null : `made by ${createdBy}`;
}

function proposalTable(session: Session, items: readonly Proposal[]): string {
  const now = session.surroundings.now();
  const goes = (each: Proposal): string => {
    const why = leftBecause(session, each);
    return why === null ? (each.destroyAt ?? 'when you say so') : `no: ${why}`;
  };
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
      goes(each),
    ]),
  );
}

/** The chosen ones, or all that may go. Errors: `not_found`; `usage` for a chosen one that may not. */
function goingOf(session: Session, items: readonly Proposal[], chosen: readonly string[]): Proposal[] {
  for (const name of chosen) {
    const found = items.find((each) => each.name === name || each.clone === name);
    const known = items.map((each) => each.name);
    if (found === undefined) throw fail('not_found', { kind: 'proposal', name, known });
    const why = leftBecause(session, found);
    if (why !== null)
      throw fail('usage', {
        problem: `Clone ${found.name} is not cleaned up: ${why}.`,
        hint: `Destroy it by hand if that is what you want: thin-clones clone destroy ${found.name}`,
      });
  }
  return items.filter(
    (each) =>
      (chosen.length === 0 || chosen.includes(each.name) || chosen.includes(each.clone)) &&
      leftBecause(session, each) === null,
  );
}

interface Outcome {
  clone: string;
  name: string;
  outcome: 'destroyed' | 'left';
  problem: string | null;
}

/** One that can't go keeps none of the others, and makes the command fail. */
async function destroyAll(session: Session, going: readonly Proposal[]): Promise<Outcome[]> {
  // Somebody may have gone back to a branch while the question stood.
  const present = await proposals(session);
  const still = new Set(
    present.filter((each) => leftBecause(session, each) === null).map(({ clone }) => clone),
  );
  const client = await session.client();
  const done: Outcome[] = [];
  for (const { clone, name } of going) {
    if (!still.has(clone)) {
      done.push({ clone, name, outcome: 'left', problem: 'it is in use again' });
      continue;
    }
    try {
      const ask = (following: CallOptions) => client.call('cloneDestroy', { params: { clone } }, following);
      await runJob(session, ask, { lines: false });
      done.push({ clone, name, outcome: 'destroyed', problem: null });
    } catch (error) {
      if (session.signal.aborted || isFailure(error, 'canceled') || isFailure(error, 'job_left')) throw error;
      const failure = toFailure(error);
      done.push({ clone, name, outcome: 'left', problem: failure.message });
      session.exitCode = exitCodeOf(failure);
    }
  }
  return done;
}

const outcomeText = ({ name, outcome, problem }: Outcome): string =>
  outcome === 'destroyed'
    ? `Clone ${printable(name)} is destroyed.`
    : `Clone ${printable(name)} is left: ${printable(problem ?? '')}`;
