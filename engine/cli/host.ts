/** `thin-clones host`: where clones live, and what is missing there. */
import type { Command } from 'commander';
import type { DoctorCheck, Host } from '../protocol/entities.ts';
import { isFailure } from '../protocol/errors.ts';
import { confirm } from './confirm.ts';
import { exitCodes } from './exitCode.ts';
import { formatBytes, formatFields, formatTable, printable } from './format.ts';
import type { Session } from './session.ts';

const free = (host: Host): string =>
  host.storage === null
    ? '-'
    : `${formatBytes(host.storage.freeBytes)} of ${formatBytes(host.storage.totalBytes)}`;

const stateOf = ({ state, unreachableSince }: Host): string =>
  unreachableSince === null ? state : `${state} since ${unreachableSince}`;

function hostText(host: Host): string {
  const { roundTripMs } = host;
  return formatFields([
    ['name', host.name],
    ['kind', host.kind],
    ...(host.address === null ? [] : [['address', host.address] as const]),
    ['state', host.problem === null ? stateOf(host) : `${stateOf(host)}: ${host.problem}`],
    ...(host.doing === null ? [] : [['doing', host.doing] as const]),
    ...(roundTripMs === null
      ? []
      : [['round trip', `${roundTripMs.toFixed(roundTripMs < 10 ? 1 : 0)} ms`] as const]),
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
    .command('add')
    .description('join another machine: an SSH login there is enough, the engine is brought')
    .argument('<name>', 'what it is called here')
    .argument('<address>', 'ssh://[user@]host[:port]; the host may be a name of your ssh configuration')
    .action(async (name: string, address: string) => {
      const client = await session.client();
      const told = new AbortController();
      const telling = tellProgress(session, name, AbortSignal.any([signal, told.signal]));
      try {
        const answer = await client.call('hostAdd', { body: { name, address } }, { signal });
        output.answer({ json: answer, text: () => hostText(answer) });
      } finally {
        told.abort();
        await telling;
      }
    });

  host
    .command('remove')
    .description('forget another machine; its clones and snapshots stay there, and go on')
    .argument('<name>', 'a host')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: { yes?: true }) => {
      const client = await session.client();
      const answer = await client.call('hostShow', { params: { host: name } }, { signal });
      await confirm(session.prompter, {
        question: `Forget the host ${answer.name} (${answer.address ?? answer.kind})?`,
        yes: options.yes,
      });
      const forgotten = await client.call('hostRemove', { params: { host: name } }, { signal });
      output.answer({
        json: forgotten,
        text: () => `Host ${name} is forgotten; what it holds goes on there.`,
      });
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

/** What is done to reach a host, while it takes a while. */
async function tellProgress(session: Session, name: string, signal: AbortSignal): Promise<void> {
  const client = await session.client();
  try {
    const overview = await client.call('overview', {}, { signal });
    for await (const event of client.events(overview, signal)) {
      if (event.kind !== 'host' || event.entity.name !== (name as typeof event.entity.name)) continue;
      if (event.entity.doing !== null) session.output.note(event.entity.doing);
    }
  } catch (error) {
    // best effort: the answer to the request itself is what counts
    if (!signal.aborted && !isFailure(error)) throw error;
  }
}
