/** `thin-clones migrations`: whether the databases of a checkout's clone match its migration files. */
import type { Command } from 'commander';
import type { MigrationReport } from '../protocol/migrationReport.ts';
import { migrationToolTitles } from '../protocol/migrationTools.ts';
import { exitCodes, type ExitCode } from './exitCode.ts';
import { formatTable, printable } from './format.ts';
import type { Session } from './session.ts';
import { noteProblem, notReady, openCheckout, settled } from './workingTree.ts';

function rows(report: MigrationReport): string[][] {
  const outOfOrder = new Set(report.outOfOrder.map(({ file }) => file));
  return [
    ...report.failed.map(({ name, file, problem }) => ['failed', file ?? name, problem]),
    ...report.edited.map(({ name, file }) => ['edited', file, `applied as ${name}, changed since`]),
    ...report.missing.map(({ name }) => ['missing', name, 'applied, and not in the checkout']),
    ...report.pending.map(({ file }) => [
      'pending',
      file,
      outOfOrder.has(file) ? 'comes before one that is applied' : '',
    ]),
  ];
}

/** A message carries its problem in the middle of a sentence. */
const says = (message: string, problem: string): boolean =>
  message.toLowerCase().includes(problem.toLowerCase().replace(/\.$/, ''));

function reportText(report: MigrationReport): string {
  const { member, tool, state, directory, table, counts, message, problem } = report;
  const listed = rows(report);
  return [
    `${[member, tool === null ? null : migrationToolTitles[tool]].filter((each) => each !== null).join(', ')}${member === null && tool === null ? 'migrations' : ''}: ${state}${directory === null ? '' : ` (${directory}, ${counts.files} ${counts.files === 1 ? 'file' : 'files'}; ${table ?? 'no table'}, ${counts.applied} applied)`}`,
    message,
    ...(problem === null || says(message, problem) ? [] : [problem]),
  ]
    .map(printable)
    .concat(listed.length === 0 ? [] : [formatTable(['STATE', 'FILE', 'WHAT'], listed)])
    .join('\n');
}

/** One that is known not to match counts more than one of which nothing is known. */
function checked(reports: readonly MigrationReport[]): ExitCode {
  const states = new Set(reports.map(({ state }) => state));
  const hasUnknown = states.delete('unknown');
  if (reports.length === 0 || [...states].some((state) => state !== 'in-step')) return exitCodes.failed;
  return hasUnknown ? exitCodes.unknown : exitCodes.done;
}

export function addMigrationsCommand(program: Command, session: Session): void {
  const { output, signal } = session;
  program
    .command('migrations')
    .description("compare the migration files of this checkout with the databases of its branch's clone")
    .option('--check', 'end with 1 unless all are in step, with 5 when that can not be told')
    .option('-C, --directory <dir>', 'a folder of the checkout (default: the present one)')
    .addHelpText(
      'after',
      '\nExample:\n  $ thin-clones exec -- npm run migrate && thin-clones migrations --check',
    )
    .action(async ({ check, directory }: { check?: boolean; directory?: string }) => {
      const checkout = await settled(session, await openCheckout(session, directory));
      noteProblem(session, checkout);
      if (checkout.clone === null) throw notReady(checkout);
      const client = await session.client();
      const input = { params: { checkout: checkout.id } };
      const answer = await client.call('checkoutMigrations', input, { signal });
      output.answer({
        json: answer,
        text: () =>
          answer.items.length === 0 ? 'No migrations were found.' : answer.items.map(reportText).join('\n\n'),
      });
      if (check === true) session.exitCode = checked(answer.items);
    });
}
