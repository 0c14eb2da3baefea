/** Detached processes on this machine: spawn them, recognise them by pid and start time, signal exactly them. */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { mapBounded } from '../../domain/mapBounded.ts';
import type { Machine, MachineProcesses, ProcessIdentity } from '../machine.ts';
import {
  hasCode,
  isSpawnFailure,
  MARK_VARIABLE,
  serverUserVariables,
  spawnFailure,
  stdoutOf,
  type Environment,
} from './commands.ts';
import { APPENDING, assertOneFile } from './fileFacts.ts';

export interface ProcessesOptions {
  environment: Environment;
  serverUser: Machine['serverUser'];
  platform: NodeJS.Platform;
  run: Machine['run'];
}

/** Entries of /proc that are open at one time: a machine has more processes than an engine may have descriptors. */
const PROCESSES_AT_ONCE = 32;

/** What a server may see of the engine's environment: never tokens or passwords. */
const INHERITED =
  /^(PATH|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TEMP|TMP|HOME|USER|LOGNAME|LD_LIBRARY_PATH|DYLD_.*|SystemRoot|SystemDrive|windir|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|USERPROFILE)$/;

export function createProcesses(options: ProcessesOptions): MachineProcesses {
  const { environment, serverUser, platform, run } = options;
  const identities = platform === 'linux' ? linuxIdentities() : listedIdentities(platform, run);

  const base: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && INHERITED.test(name)) base[name] = value;
  }

  /** Of the processes that were started here and run, by pid. */
  const own = new Map<number, { startedAt: string; ended: Promise<void> }>();

  const processes: MachineProcesses = {
    async spawnDetached(command) {
      const log = openLog(command.logFile);
      // spawn(2) happens inside the call, so nothing else of this thread runs under the changed umask.
      const umask = platform === 'win32' ? undefined : process.umask(0o077);
      let child;
      try {
        child = spawn(command.program, [...command.args], {
          cwd: command.cwd,
          env: {
            ...base,
            ...(serverUser && serverUserVariables(serverUser)),
            [MARK_VARIABLE]: command.mark,
            ...command.env,
          },
          stdio: ['ignore', log, log],
          detached: true,
          windowsHide: true,
          ...(serverUser && { uid: serverUser.uid, gid: serverUser.gid }),
        });
      } finally {
        if (umask !== undefined) process.umask(umask);
        closeSync(log);
      }
      const { pid } = child;
      // Read before the event loop can reap it, so that even a process that ended at once has an identity.
      const atOnce = pid === undefined ? undefined : identities.atOnce(pid);
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      try {
        await new Promise<void>((resolve, reject) => {
          child.once('spawn', resolve);
          child.once('error', reject);
        });
      } catch (error) {
        if (isSpawnFailure(error)) throw await spawnFailure(error, command, environment, serverUser);
        throw error;
      }
      child.unref();
      if (pid === undefined) throw new Error(`${command.program} was spawned without a pid`);
      const identity = atOnce ?? (await identities.identify(pid)) ?? { pid, startedAt: 'ended' };
      own.set(pid, { startedAt: identity.startedAt, ended });
      void ended.then(() => own.delete(pid));
      return identity;
    },

    identify: (pid) => identities.identify(pid),
    ended({ pid, startedAt }) {
      const found = own.get(pid);
      return found?.startedAt === startedAt ? found.ended : undefined;
    },
    commandLine: (pid) => identities.commandLine(pid),

    async signal(target, signal, group = false) {
      const now = await identities.identify(target.pid);
      if (now?.startedAt !== target.startedAt) return false;
      if (group && platform !== 'win32' && kill(-target.pid, signal)) return true;
      return kill(target.pid, signal);
    },

    findMarked: (mark) => identities.findMarked(mark),
  };
  return processes;
}

/** It may lie in a folder of the server user, who can put anything in its place. */
function openLog(path: string): number {
  const log = openSync(path, APPENDING, 0o600);
  try {
    assertOneFile(path, fstatSync(log));
    return log;
  } catch (error) {
    closeSync(log);
    throw error;
  }
}

function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    throw error;
  }
}

interface Identities {
  atOnce(pid: number): ProcessIdentity | undefined;
  identify(pid: number): Promise<ProcessIdentity | undefined>;
  commandLine(pid: number): Promise<readonly string[] | undefined>;
  findMarked(mark: string): Promise<readonly ProcessIdentity[]>;
}

/** A process that is gone, or that belongs to somebody else, has no readable entry. */
const isUnreadable = (error: unknown): boolean => hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM');

async function readProcessFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}

function linuxIdentities(): Identities {
  // Start times count from boot (proc(5)), so the boot belongs to the identity.
  let boot: string | undefined;
  const bootId = (): string =>
    (boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().slice(0, 8));

  const parse = (pid: number, text: string, endedToo: boolean): ProcessIdentity | undefined => {
    // The name (field 2) may hold spaces and parentheses: count from its last parenthesis. Field 3 is the state, 22 the start.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state] = fields;
    const start = fields[19];
    if (state === undefined || start === undefined) return undefined;
    if (!endedToo && /^[ZXx]$/.test(state)) return undefined;
    return { pid, startedAt: `${start}@${bootId()}` };
  };

  // The kernel writes this file from its own memory in 20 us and waits for nobody, as it may for the arguments of a
  // process; through the thread pool it took ten times as long.
  const identify = async (pid: number): Promise<ProcessIdentity | undefined> => {
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    try {
      return parse(pid, readFileSync(`/proc/${pid}/stat`, 'utf8'), false);
    } catch (error) {
      if (isUnreadable(error)) return undefined;
      throw error;
    }
  };

  return {
    atOnce: (pid) => parse(pid, readFileSync(`/proc/${pid}/stat`, 'utf8'), true),
    identify,
    async commandLine(pid) {
      const text = await readProcessFile(`/proc/${pid}/cmdline`);
      if (text === undefined || text === '') return undefined;
      return text.replace(/\0+$/, '').split('\0');
    },
    async findMarked(mark) {
      const entry = `${MARK_VARIABLE}=${mark}`;
      const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
      const found = await mapBounded(pids, PROCESSES_AT_ONCE, async (pid) => {
        // The identity first: a pid that is reused in between then has another start time and is never signalled.
        const identity = await identify(pid);
        if (!identity) return undefined;
        const text = await readProcessFile(`/proc/${pid}/environ`);
        return text?.split('\0').includes(entry) === true ? identity : undefined;
      });
      return found.filter((identity) => identity !== undefined);
    },
  };
}

/** macOS by ps(1); Windows by PowerShell, without marks (best effort: process environments can't be read there). */
function listedIdentities(platform: NodeJS.Platform, run: Machine['run']): Identities {
  const windows = platform === 'win32';
  const environment = { LC_ALL: 'C', TZ: 'UTC' };

  const ask = async (pid: number, column: 'lstart' | 'command'): Promise<string | undefined> => {
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    const property = column === 'lstart' ? 'CreationDate.Ticks' : 'CommandLine';
    const text = await run({
      ...(windows
        ? {
            program: 'powershell.exe',
            args: [
              '-NoProfile',
              '-NonInteractive',
              '-Command',
              `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').${property}`,
            ],
          }
        : { program: 'ps', args: ['-ww', '-o', `stat=,${column}=`, '-p', String(pid)] }),
      env: environment,
      // ps ends with 1 for a pid that is not there.
      parse: (result) => (result.code === 0 ? result.stdout.trim() : ''),
    });
    if (windows) return text === '' ? undefined : text;
    const [, state, rest] = /^(\S+)\s+(.*)$/s.exec(text) ?? [];
    return state === undefined || state.startsWith('Z') ? undefined : rest;
  };

  return {
    atOnce: () => undefined,
    async identify(pid) {
      const startedAt = await ask(pid, 'lstart');
      return startedAt === undefined ? undefined : { pid, startedAt };
    },
    async commandLine(pid) {
      return (await ask(pid, 'command'))?.split(' ');
    },
    async findMarked(mark) {
      if (windows) return [];
      const text = await run({
        program: 'ps',
        args: ['-A', '-E', '-ww', '-o', 'pid=,lstart=,command='],
        env: environment,
        parse: stdoutOf('ps'),
      });
      return text.split('\n').flatMap((line) => {
        // lstart is five words: "Sat Nov 21 11:30:52 2026".
        const [, pid, startedAt, rest] = /^\s*(\d+)\s+((?:\S+\s+){4}\d{4})\s+(.*)$/.exec(line) ?? [];
        if (pid === undefined || startedAt === undefined || rest === undefined) return [];
        return rest.split(' ').includes(`${MARK_VARIABLE}=${mark}`) ? [{ pid: Number(pid), startedAt }] : [];
      });
    },
  };
}
