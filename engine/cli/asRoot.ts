/** Lets root run a script that was shown before, in this terminal: by sudo, or by Windows where this is its Linux. */
import { fail, isFailure } from '../protocol/errors.ts';
import { confirm } from './confirm.ts';
import type { Session } from './session.ts';

interface RootScript {
  file: string;
  /** What is in it. */
  script: string;
  question: string;
  yes: true | undefined;
}

interface RootCommand {
  program: string;
  args: readonly string[];
}

/** In WSL `wsl.exe -u root` asks for no password. */
export function rootCommand(
  file: string,
  variables: Readonly<Record<string, string | undefined>>,
): RootCommand {
  const { WSL_DISTRO_NAME: distribution = '' } = variables;
  return distribution === ''
    ? { program: 'sudo', args: ['--', '/bin/sh', file] }
    : { program: 'wsl.exe', args: ['-d', distribution, '-u', 'root', '-e', '/bin/sh', file] };
}

/** Resolves when it ran to its end. Errors: `usage` without a terminal, `canceled`, `root_refused`. */
export async function asRoot(session: Session, { file, script, question, yes }: RootScript): Promise<void> {
  const { output, surroundings, prompter } = session;
  const { program, args } = rootCommand(file, surroundings.variables);
  output.note(`${script}\nRun by: ${[program, ...args].join(' ')}`);
  if (question !== '') await confirm(prompter, { question, yes });
  const refuse = (problem: string, cause?: unknown) =>
    fail('root_refused', { program, problem, script: file }, { cause });
  let code: number;
  try {
    code = await session.handlingInterrupts(
      () => undefined,
      () =>
        surroundings.execute({ program, args, cwd: surroundings.cwd, environment: surroundings.variables }),
    );
  } catch (error) {
    if (!isFailure(error, 'command_unusable')) throw error;
    throw refuse(error.message, error);
  }
  if (code !== 0) throw refuse(`it ended with code ${code}`);
}
