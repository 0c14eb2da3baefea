/** `thin-clones host`: where clones live, and what is missing there. */
import type { Command } from 'commander';
import type { DoctorCheck } from '../protocol/entities.ts';
import { checkText } from './checkText.ts';
import { exitCodes } from './exitCode.ts';
import { formatTable } from './format.ts';
import { atLogin } from './hostLogin.ts';
import { freeText, hostText } from './hostText.ts';
import { addOtherHostCommands } from './otherHosts.ts';
import type { Session } from './session.ts';

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
              freeText(each),
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

  addOtherHostCommands(host, session);

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
      const answer = await examined(session, name);
      if (answer.items.some(({ status }) => status === 'problem')) session.exitCode = exitCodes.failed;
    });
}

/** What is found on another machine is told as it is found where somebody looks on. */
async function examined(session: Session, name: string): Promise<{ items: DoctorCheck[] }> {
  const { output, signal, surroundings } = session;
  const client = await session.client();
  const isWatched = surroundings.stdout.isTTY === true && !output.json;
  const told = new Set<string>();
  const onCheck = (check: DoctorCheck): void => {
    if (!isWatched) return;
    told.add(checkText(check));
    output.note(checkText(check));
  };
  const examine = (questions: boolean) =>
    client.call(
      'hostDoctor',
      { params: { host: name }, ...(questions && { query: { questions: 'yes' } }) },
      { signal },
    );
  const answer = name === 'local' ? await examine(false) : await atLogin(session, name, examine, onCheck);
  output.answer({
    json: answer,
    text: () =>
      answer.items
        .map(checkText)
        .filter((text) => !told.has(text))
        .join('\n'),
  });
  return answer;
}
