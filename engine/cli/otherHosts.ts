/** `thin-clones host add` and what comes after it: other machines, which are reached by a login. */
import { Option, type Command } from 'commander';
import { confirm } from './confirm.ts';
import { printable } from './format.ts';
import { atLogin, reconnectAtTerminal } from './hostLogin.ts';
import { hostText } from './hostText.ts';
import type { Session } from './session.ts';

/** To the command `host`. */
export function addOtherHostCommands(host: Command, session: Session): void {
  const { output, signal } = session;

  host
    .command('add')
    .description('join another machine: an SSH login there is enough, the engine is brought')
    .argument('<name>', 'what it is called here')
    .argument('<address>', 'ssh://[user@]host[:port]; the host may be a name of your ssh configuration')
    .option('--path <folder>', 'where its engine keeps data: a folder there')
    .addOption(new Option('--dataset <name>', 'or a dataset of ZFS there').conflicts('path'))
    .action(async (name: string, address: string, places: { path?: string; dataset?: string }) => {
      const client = await session.client();
      const answer = await atLogin(session, name, (questions) =>
        client.call('hostAdd', { body: { name, address, questions, ...places } }, { signal }),
      );
      output.answer({ json: answer, text: () => hostText(answer) });
    });

  host
    .command('reconnect')
    .description('reach another machine now; asks here what its login asks')
    .argument('<name>', 'a host')
    .action(async (name: string) => {
      const answer = await reconnectAtTerminal(session, name);
      output.answer({ json: answer, text: () => hostText(answer) });
    });

  host
    .command('log')
    .description('what became of the latest attempts to reach another machine')
    .argument('<name>', 'a host')
    .action(async (name: string) => {
      const answer = await (await session.client()).call('hostLog', { params: { host: name } }, { signal });
      output.answer({
        json: answer,
        text: () =>
          answer.items.map(({ at, level, text }) => `${at} ${level.padEnd(7)} ${printable(text)}`).join('\n'),
      });
    });

  host
    .command('remove')
    .description('forget another machine; its clones and snapshots stay there, and go on')
    .argument('<name>', 'a host')
    .option('--uninstall', 'also take away what was brought there; refused while it holds anything')
    .option('--yes', 'do not ask')
    .action(async (name: string, { uninstall, yes }: { uninstall?: true; yes?: true }) => {
      const client = await session.client();
      const answer = await client.call('hostShow', { params: { host: name } }, { signal });
      const also = uninstall === true ? ', and remove the engine there' : '';
      await confirm(session.prompter, {
        question: `Forget the host ${answer.name} (${answer.address ?? answer.kind})${also}?`,
        yes,
      });
      const params = { host: name };
      const forgotten =
        uninstall === true
          ? await atLogin(session, name, (questions) => {
              const query = { uninstall: 'yes', ...(questions && { questions: 'yes' as const }) } as const;
              return client.call('hostRemove', { params, query }, { signal });
            })
          : await client.call('hostRemove', { params }, { signal });
      output.answer({
        json: forgotten,
        text: () =>
          uninstall === true
            ? [
                `Host ${name} is forgotten, and the engine is removed there.`,
                ...(forgotten.left ?? []).map((path) => `Not ours, and left there: ${printable(path)}`),
              ].join('\n')
            : `Host ${name} is forgotten; what it holds goes on there.`,
      });
    });
}
