/** Finds or makes the unprivileged user that owns database servers when the engine is root. */
import { readFile } from 'node:fs/promises';
import { fail } from '../../protocol/errors.ts';
import type { Machine } from '../machine.ts';
import { createCommandRunner, hasCode, type Environment } from './commands.ts';

export const SERVER_USER_NAME = 'thin-clones';
const CREATE_ARGS = ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', '--user-group'];

export interface ServerUserOptions {
  /** A user from the settings; it must exist. */
  configured?: string | undefined;
  environment: Environment;
  platform?: NodeJS.Platform;
  /** The user id of the engine; undefined on Windows. */
  uid?: number | undefined;
}

/**
 * undefined when the engine is not root, as servers then run as the engine's own user. PostgreSQL refuses to run as
 * root and initdb wants a user that is in passwd, so a bare uid would not do. Errors: programs_missing, invalid_request.
 */
export async function findServerUser(options: ServerUserOptions): Promise<Machine['serverUser']> {
  const { configured, environment, platform = process.platform, uid = process.getuid?.() } = options;
  if (uid !== 0) return undefined;
  const run = createCommandRunner({ environment, serverUser: undefined, platform });

  const lookUp = async (name: string): Promise<Machine['serverUser']> =>
    (await fromPasswd(name)) ?? (await fromId(run, name));

  if (configured !== undefined) {
    const user = await lookUp(configured);
    if (user && user.uid !== 0) return user;
    throw fail('invalid_request', {
      problems: [
        user
          ? `servers can't run as "${configured}", which is root`
          : `the user "${configured}" from the settings does not exist; make it with: useradd ${CREATE_ARGS.join(' ')} ${configured}`,
      ],
    });
  }

  const existing = await lookUp(SERVER_USER_NAME);
  if (existing) return existing;
  let problem: string;
  try {
    problem = await run({
      program: 'useradd',
      args: [...CREATE_ARGS, SERVER_USER_NAME],
      // 9: the name is taken (useradd(8)), so another engine was quicker.
      parse: (result) => (result.code === 0 || result.code === 9 ? '' : result.stderr.trim()),
    });
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const made = await lookUp(SERVER_USER_NAME);
  if (made) return made;
  throw fail('programs_missing', {
    what: `The user "${SERVER_USER_NAME}" that database servers run as`,
    searched: ['/etc/passwd', `useradd (${problem || 'no output'})`],
    install: `Run: useradd ${CREATE_ARGS.join(' ')} ${SERVER_USER_NAME}`,
  });
}

async function fromPasswd(name: string): Promise<Machine['serverUser']> {
  let text: string;
  try {
    text = await readFile('/etc/passwd', 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  for (const line of text.split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name && uid !== undefined && gid !== undefined) {
      return { name, uid: Number(uid), gid: Number(gid) };
    }
  }
  return undefined;
}

/** Users of a directory service and of macOS are not in /etc/passwd. */
async function fromId(run: Machine['run'], name: string): Promise<Machine['serverUser']> {
  const ask = (option: '-u' | '-g') =>
    run({
      program: 'id',
      args: [option, '--', name],
      parse: ({ code, stdout }) => (code === 0 && /^\d+\s*$/.test(stdout) ? Number(stdout) : undefined),
    });
  const uid = await ask('-u');
  const gid = uid === undefined ? undefined : await ask('-g');
  return uid === undefined || gid === undefined ? undefined : { name, uid, gid };
}
