/** `thin-clones exec`: run a program with the variables of its checkout, on its branch's own clone. */
import type { Command } from 'commander';
import { isFailure } from '../protocol/errors.ts';
import type { Session } from './session.ts';
import { noteSources } from './sourceFiles.ts';
import { variablesOf } from './variables.ts';
import { ensureClone, folderOf, noteProblem, refuseHeld } from './workingTree.ts';

/** As shells have it: not found, and found but not to be run. */
const notFound = 127;
const notRunnable = 126;

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
        'Examples:',
        '  $ thin-clones exec -- npm test',
        '  $ git worktree add ../x -b feature/x && cd ../x && thin-clones exec -- npm run migrate',
      ].join('\n'),
    )
    .action(async (command: string, args: string[], options: { directory?: string; wait: boolean }) => {
      const { directory, wait } = options;
      const checkout = await ensureClone(session, directory, { keepReady: true, wait });
      noteProblem(session, checkout);
      refuseHeld(checkout);
      const variables = await variablesOf(session, checkout);
      await noteSources(session, checkout, Object.keys(variables));
      const environment = { ...surroundings.variables, ...variables };
      // The program may run for hours: nothing of this command is left waiting on the engine.
      session.disconnect();
      const cwd = folderOf(session, directory);
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
