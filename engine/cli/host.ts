/** `thin-clones host`: where clones live, and what is missing there. */
import type { Command } from 'commander';
import type { DoctorCheck, Host } from '../protocol/entities.ts';
import { exitCodes } from './exitCode.ts';
import { formatBytes, formatFields, formatTable, printable } from './format.ts';
import type { Session } from './session.ts';

const free = (host: Host): string =>
  host.storage === null
    ? '-'
    : `${formatBytes(host.storage.freeBytes)} of ${formatBytes(host.storage.totalBytes)}`;

function hostText(host: Host): string {
  return formatFields([
    ['name', host.name],
    ['kind', host.kind],
    ['state', host.problem === null ? host.state : `${host.state}: ${host.problem}`],
    ['storage', host.storage?.label ?? 'none'],
    ['path', host.storage?.path ?? '-'],
    ['free', free(host)],
  ]);
}

const marks = { ok: 'ok', unused: '-', warning: 'warning', problem: 'PROBLEM' } as const;

function doctorText(checks: readonly DoctorCheck[]): string {
  return checks
    .map(({ name, status, message, fix, advice }) =>
      [
        `${marks[status].padEnd(9)}${printable(name)}: ${printable(message)}`,
        ...(fix === null ? [] : [`${''.padEnd(9)}run: ${printable(fix)}`]),
        ...(advice === undefined || advice === null ? [] : [`${''.padEnd(9)}${printable(advice)}`]),
      ].join('\n'),
    )
    .join('\n');
}

export function addHostCommands(program: Command, session: Session): void {
  const { output, signal } = session;
  const host = program.command('host').description('where clones live');

  host
    .command('list')
    .description('all hosts with their storage')
    .action(async () => {
      const answer = await (await session.client()).call('hostList', {}, { signal });
      output.answer({
        json: answer,
        text: () =>
          formatTable(
            ['NAME', 'KIND', 'STATE', 'STORAGE', 'FREE'],
            answer.items.map((each) => [
              each.name,
              each.kind,
              each.state,
              each.storage?.label ?? '-',
              free(each),
            ]),
          ),
      });
    });

  host
    .command('show')
    .description('one host')
    .argument('[name]', 'a host', 'local')
    .action(async (name: string) => {
      const answer = await (await session.client()).call('hostShow', { params: { host: name } }, { signal });
      output.answer({ json: answer, text: () => hostText(answer) });
    });

  host
    .command('certificate')
    .description('the authority to trust for TLS with servers and ports (sslmode=verify-full with localhost)')
    .argument('[name]', 'a host', 'local')
    .option('--path', 'print the path of its file instead')
    .action(async (name: string, { path }: { path?: true }) => {
      const answer = await (
        await session.client()
      ).call('hostCertificate', { params: { host: name } }, { signal });
      output.answer({
        json: answer,
        text: () => (path === true ? answer.path : answer.certificate.trimEnd()),
      });
    });

  host
    .command('doctor')
    .description('what is missing on a host, and what to do about it; ends with 1 on a problem')
    .argument('[name]', 'a host', 'local')
    .action(async (name: string) => {
      const answer = await (
        await session.client()
      ).call('hostDoctor', { params: { host: name } }, { signal });
      output.answer({ json: answer, text: () => doctorText(answer.items) });
      if (answer.items.some(({ status }) => status === 'problem')) session.exitCode = exitCodes.failed;
    });
}
