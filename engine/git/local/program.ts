/** Runs Git itself, through simple-git: fixed arguments, a clean environment, nothing that the repository could make it run or fetch. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail } from '../../protocol/errors.ts';

/** What Git printed, or why it refused (its message in English). */
export type GitAnswer = { output: string } | { refusal: string };

export interface GitProgram {
  /**
   * Of the repository at the folder itself: where that is damaged, Git would go up and answer for one around it. Rejects with
   * `git_failed` where Git can't be run at all, and with the abort reason.
   */
  ask(folder: string, args: readonly string[], signal?: AbortSignal): Promise<GitAnswer>;
  /** As `ask`, and rejects with `git_failed` when Git refuses. */
  read(folder: string, args: readonly string[], signal?: AbortSignal): Promise<string>;
  /** As `ask`, of the repository around the folder. */
  askAround(folder: string, args: readonly string[], signal?: AbortSignal): Promise<GitAnswer>;
}

/** For a repository on a file system that has stopped answering. */
const PATIENCE_MS = 30_000;

/** All that Git needs of the engine's environment. None of GIT_DIR and its like: they would lead it to another repository. */
const kept = new Set([
  ...['PATH', 'HOME', 'XDG_CONFIG_HOME', 'USER', 'LOGNAME', 'SUDO_UID', 'TMPDIR', 'LD_LIBRARY_PATH'],
  ...['GIT_CONFIG_GLOBAL', 'GIT_CONFIG_SYSTEM', 'GIT_CONFIG_NOSYSTEM'],
  ...[
    'USERPROFILE',
    'HOMEDRIVE',
    'HOMEPATH',
    'APPDATA',
    'LOCALAPPDATA',
    'PROGRAMDATA',
    'SYSTEMROOT',
    'WINDIR',
  ],
  ...['PROGRAMFILES', 'COMSPEC', 'PATHEXT', 'TEMP', 'TMP'],
]);

const fixed = {
  LC_ALL: 'C',
  /** No lock is taken and no file written for the sake of speed. */
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  /** In a partial clone a missing object would be fetched, by a program that the repository may name. */
  GIT_NO_LAZY_FETCH: '1',
  /** The same for an older Git, which does not know the line above: no transport is allowed. */
  GIT_ALLOW_PROTOCOL: 'none',
} as const;

/** A program that every reading of the index would start; and one for signatures, in logs. */
const config = ['core.fsmonitor=false', 'log.showSignature=false'];

export function createGitProgram({ environment }: { environment: NodeJS.ProcessEnv }): GitProgram {
  const env: Record<string, string> = { ...fixed };
  for (const [name, value] of Object.entries(environment))
    if (value !== undefined && kept.has(name.toUpperCase())) env[name] = value;

  const run = async (
    folder: string,
    args: readonly string[],
    variables: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<GitAnswer> => {
    signal?.throwIfAborted();
    // Only when it is needed: following HEAD needs no process.
    const { GitPluginError, simpleGit } = await import('simple-git');
    if (!(await isDirectory(folder))) throw fail('git_failed', { path: folder, problem: 'it is gone.' });
    const git = simpleGit({
      baseDir: folder,
      config,
      allowEnvironment: Object.keys(variables),
      // Of what is set here: the switching off of fsmonitor, and where the user's own configuration is.
      unsafe: { allowUnsafeFsMonitor: true, allowUnsafeConfigPaths: true },
      // Else output that comes after the end of the process is lost.
      completion: { onClose: true, onExit: false },
      timeout: { block: PATIENCE_MS },
      ...(signal === undefined ? {} : { abort: signal }),
    }).env(variables);
    try {
      return { output: await git.raw([...args]) };
    } catch (error) {
      signal?.throwIfAborted();
      const text = error instanceof Error ? error.message : String(error);
      if (error instanceof GitPluginError) {
        const problem =
          error.plugin === 'timeout' ? `it did not answer within ${PATIENCE_MS / 1000} s.` : text;
        throw fail('git_failed', { path: folder, problem }, { cause: error });
      }
      if (/spawn \S+ ENOENT/.test(text))
        throw fail(
          'git_failed',
          { path: folder, problem: 'the program "git" is not in PATH. Install Git.' },
          { cause: error },
        );
      if (/dubious ownership|unsafe repository/.test(text))
        throw fail(
          'git_failed',
          {
            path: folder,
            problem: `it belongs to another user. If you trust it: git config --global --add safe.directory ${folder}`,
          },
          { cause: error },
        );
      return { refusal: text.trim() };
    }
  };

  const ask: GitProgram['ask'] = (folder, args, signal) =>
    run(folder, args, { ...env, GIT_CEILING_DIRECTORIES: dirname(folder) }, signal);
  return {
    ask,
    askAround: (folder, args, signal) => run(folder, args, env, signal),
    read: async (folder, args, signal) => {
      const answer = await ask(folder, args, signal);
      if ('output' in answer) return answer.output;
      throw fail('git_failed', { path: folder, problem: answer.refusal });
    },
  };
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false; // best effort: what can't be looked at can't be entered either
  }
}
