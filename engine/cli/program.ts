/** The command line as a whole: its commands, how they are read, and what the process ends with. */
import { Command, CommanderError } from 'commander';
import { fail, toFailure, type ThinClonesError } from '../protocol/errors.ts';
import { exitCodeOf, exitCodes } from './exitCode.ts';
import { createSession, type Session, type Surroundings } from './session.ts';

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

type AddCommands = (program: Command, session: Session) => void;

/** By the word that they are typed with, in the order of the help: only what was typed is loaded. */
const commands: Readonly<Record<string, () => Promise<AddCommands>>> = {
  engine: async () => (await import('./engine.ts')).addEngineCommands,
  host: async () => (await import('./host.ts')).addHostCommands,
  storage: async () => (await import('./storage.ts')).addStorageCommands,
  env: async () => (await import('./env.ts')).addEnvironmentCommands,
  snapshot: async () => (await import('./snapshot.ts')).addSnapshotCommands,
  clone: async () => (await import('./clone.ts')).addCloneCommands,
  job: async () => (await import('./job.ts')).addJobCommands,
  use: async () => (await import('./use.ts')).addUseCommand,
  exec: async () => (await import('./exec.ts')).addExecCommand,
  checkout: async () => (await import('./checkout.ts')).addCheckoutCommands,
  migrations: async () => (await import('./migrations.ts')).addMigrationsCommand,
  clean: async () => (await import('./clean.ts')).addCleanCommand,
};

/** What this command line needs to know of: the command that it begins with, none for the version, else all of them. */
function neededBy([first = '']: readonly string[]): readonly (() => Promise<AddCommands>)[] {
  if (first === '-V' || first === '--version') return [];
  const named = Object.hasOwn(commands, first) ? commands[first] : undefined;
  return named === undefined ? Object.values(commands) : [named];
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

/** Options and arguments are those of docs: every command takes --json. */
async function createProgram(session: Session, argv: readonly string[]): Promise<Command> {
  const { surroundings } = session;
  const program = new Command('thin-clones');
  program
    .exitOverride()
    .configureOutput({
      writeOut: (text) => surroundings.stdout.write(text),
      // Only the help that is shown where a command is missing; errors are written by `run`.
      writeErr: (text) => (session.output.json ? undefined : surroundings.stderr.write(text)),
      outputError: () => undefined,
      getOutHelpWidth: () => surroundings.stdout.columns ?? 100,
      getErrHelpWidth: () => surroundings.stderr.columns ?? 100,
    })
    .version(surroundings.version, '-V, --version')
    // So that `exec` leaves its program's options alone.
    .enablePositionalOptions()
    .addHelpText('after', introduction)
    .showSuggestionAfterError()
    .hook('preAction', (_, action) => {
      session.output.json = action.opts<{ json?: boolean }>().json === true;
    });
  for (const load of neededBy(argv)) (await load())(program, session);
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
  const session = createSession(surroundings, async (asking, host) => {
    await (await import('./hostLogin.ts')).reconnectAtTerminal(asking, host);
  });
  // Until a command is recognised: so that what can't be recognised is told as JSON too.
  const end = argv.indexOf('--');
  session.output.json = argv.slice(0, end < 0 ? undefined : end).includes('--json');
  try {
    const program = await createProgram(session, argv);
    await program.parseAsync(argv, { from: 'user' });
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
