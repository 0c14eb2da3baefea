/** The command line as a whole: its commands, how they are read, and what the process ends with. */
import { Command, CommanderError } from 'commander';
import { fail, toFailure, type ThinClonesError } from '../protocol/errors.ts';
import { addCheckoutCommands } from './checkout.ts';
import { addCleanCommand } from './clean.ts';
import { addCloneCommands } from './clone.ts';
import { addEngineCommands } from './engine.ts';
import { addEnvironmentCommands } from './env.ts';
import { addExecCommand } from './exec.ts';
import { exitCodeOf, exitCodes } from './exitCode.ts';
import { addHostCommands } from './host.ts';
import { addJobCommands } from './job.ts';
import { addMigrationsCommand } from './migrations.ts';
import { createSession, type Session, type Surroundings } from './session.ts';
import { addSnapshotCommands } from './snapshot.ts';
import { addUseCommand } from './use.ts';

const introduction = `
Make a writable, full-size copy of a database in a moment; reset it as quickly.

First steps:
  $ thin-clones env apply -f thin-clones.yaml    declare what to clone
  $ thin-clones env refresh shop                 retrieve its data: a snapshot
  $ thin-clones clone create shop --name mine    a clone, and how to connect to it
  $ thin-clones exec -- npm test                 in a checkout: with the database of its branch

Exit codes: 0 done, 1 failed, 2 usage, 3 refused (in use, protected, conflict, unknown object),
4 engine or host unreachable; exec ends as its program does. THIN_CLONES_HOME moves everything that is kept,
THIN_CLONES_LOG sets the log level of the engine. Names or ids are taken wherever an object is named.`;

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

/** Options and arguments are those of docs: every command takes --json. */
export function createProgram(session: Session): Command {
  const { stdout, stderr, version } = session.surroundings;
  const program = new Command('thin-clones');
  program
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      // Only the help that is shown where a command is missing; errors are written by `run`.
      writeErr: (text) => (session.output.json ? undefined : stderr.write(text)),
      outputError: () => undefined,
      getOutHelpWidth: () => stdout.columns ?? 100,
      getErrHelpWidth: () => stderr.columns ?? 100,
    })
    .version(version, '-V, --version')
    // So that `exec` leaves its program's options alone.
    .enablePositionalOptions()
    .addHelpText('after', introduction)
    .showSuggestionAfterError()
    .hook('preAction', (_, action) => {
      session.output.json = action.opts<{ json?: boolean }>().json === true;
    });
  addEngineCommands(program, session);
  addHostCommands(program, session);
  addEnvironmentCommands(program, session);
  addSnapshotCommands(program, session);
  addCloneCommands(program, session);
  addJobCommands(program, session);
  addUseCommand(program, session);
  addExecCommand(program, session);
  addCheckoutCommands(program, session);
  addMigrationsCommand(program, session);
  addCleanCommand(program, session);
  for (const leaf of leaves(program))
    leaf.option('--json', 'print one JSON document on stdout and nothing else');
  return program;
}

/** Undefined for a help or a version that was asked for. */
function usageFailure(error: CommanderError, argv: readonly string[]): ThinClonesError | undefined {
  if (error.exitCode === 0) return undefined;
  const words: string[] = [];
  for (const word of argv) {
    if (words.length === 2 || word.startsWith('-')) break;
    words.push(word);
  }
  const missing = error.code === 'commander.help';
  const command = [
    'thin-clones',
    ...(error.code === 'commander.unknownCommand' ? words.slice(0, -1) : words),
  ];
  const text = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  const problem = missing
    ? `${command.join(' ')} needs a command.`
    : `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?)]$/.test(text) ? '' : '.'}`;
  return fail('usage', { problem, hint: `See "${command.join(' ')} --help".` }, { cause: error });
}

/** Runs one command line, without the program's own name, and resolves with the exit code; it never rejects. */
export async function run(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const session = createSession(surroundings);
  // Until a command is recognised: so that what can't be recognised is told as JSON too.
  const end = argv.indexOf('--');
  session.output.json = argv.slice(0, end < 0 ? undefined : end).includes('--json');
  try {
    await createProgram(session).parseAsync(argv, { from: 'user' });
    return session.exitCode;
  } catch (error) {
    const failure = error instanceof CommanderError ? usageFailure(error, argv) : toFailure(error);
    if (failure === undefined) return exitCodes.done;
    // The help that commander shows in place of a missing command says it all.
    const shown = error instanceof CommanderError && error.code === 'commander.help' && !session.output.json;
    if (!shown) session.output.failure(failure);
    return exitCodeOf(failure);
  } finally {
    session.close();
  }
}
