/** `thin-clones exec`: run a program with the variables of its checkout, on its branch's own clone. */
import type { Command } from 'commander';
import type { Checkout } from '../protocol/entities.ts';
import { wordsOf } from '../protocol/engineWords.ts';
import { isFailure } from '../protocol/errors.ts';
import { withClientPrograms } from './clientPrograms.ts';
import type { Session } from './session.ts';
import { noteSources } from './sourceFiles.ts';
import { variablesOf } from './variables.ts';
import { ensureClone, folderOf, noteProblem, refuseHeld } from './workingTree.ts';

/** As shells have it: not found, and found but not to be run. */
const notFound = 127;
const notRunnable = 126;

const { key, dumpProgram, terminalProgram } = wordsOf();

/** Of the newest server of the clone; undefined while there is none. */
async function serverMajor(session: Session, { clone }: Checkout): Promise<number | undefined> {
  if (clone === null) return undefined;
  const client = await session.client();
  const { members } = await client.call('cloneShow', { params: { clone } }, { signal: session.signal });
  const majors = members.filter(({ engine }) => engine === key).map(({ version }) => parseInt(version, 10));
  return majors.length === 0 ? undefined : Math.max(...majors);
}

export function addExecCommand(program: Command, session: Session): void {
  const { output, surroundings } = session;
  program
    .command('exec')
    .description("run a program with the checkout's variables; the branch's clone is made or started first")
    .argument('<command>', 'a program')
    .argument('[args...]', 'its arguments')
    .option(
      '-C, --directory <dir>',
      'a folder of the checkout; the program runs there (default: the present one)',
    )
    .option('--no-wait', 'run it at once: its connections wait until the clone is ready')
    .passThroughOptions()
    .addHelpText(
      'after',
      [
        '',
        "Its exit code is the program's: 128 and the signal's number when a signal ended it, 127 when there is no such program.",
        '',
        `${dumpProgram} and ${terminalProgram} that come along are on its PATH where the machine has none, and come first where the machine's`,
        "are older than the clone's server. They have no TLS, so that with PGSSLMODE=require or stricter the machine's are left in front.",
        '',
        'Examples:',
        '  $ thin-clones exec -- npm test',
        '  $ git worktree add ../x -b feature/x && cd ../x && thin-clones exec -- npm run migrate',
      ].join('\n'),
    )
    .action(async (command: string, args: string[], options: { directory?: string; wait: boolean }) => {
      const { directory, wait } = options;
      const cwd = folderOf(session, directory);
      // Found while the clone is: it takes about as long as a request.
      const programs = surroundings.clientPrograms(cwd);
      const checkout = await ensureClone(session, directory, { keepReady: true, wait });
      noteProblem(session, checkout);
      refuseHeld(checkout);
      const variables = await variablesOf(session, checkout);
      await noteSources(session, checkout, Object.keys(variables));
      const environment = await withClientPrograms(
        { ...surroundings.variables, ...variables },
        await programs,
        () => serverMajor(session, checkout),
      );
      // The program may run for hours: nothing of this command is left waiting on the engine.
      session.disconnect();
      try {
        session.exitCode = await session.handlingInterrupts(
          () => undefined,
          () => surroundings.execute({ program: command, args, cwd, environment }),
        );
      } catch (error) {
        if (!isFailure(error, 'command_unusable')) throw error;
        output.failure(error);
        const { code } = (error.cause ?? {}) as { code?: unknown };
        session.exitCode = code === 'ENOENT' ? notFound : notRunnable;
      }
    });
}
