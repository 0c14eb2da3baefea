/** The machine that the engine runs on, behind the host port. */
import type { HostName } from '../../protocol/ids.ts';
import type { Machine } from '../machine.ts';
import { createCommandRunner, type Environment } from './commands.ts';
import { localFileSystem } from './fileSystem.ts';
import { createFiles } from './files.ts';
import { leasePort } from './ports.ts';
import { createProcesses } from './processes.ts';

export interface LocalMachineOptions {
  name: HostName;
  /** From `findServerUser`; undefined when the engine is not root. */
  serverUser: Machine['serverUser'];
  /** The engine's own environment variables. */
  environment: Environment;
  platform?: NodeJS.Platform;
  /** Variables of it that no command gets, because it would obey them before its arguments. */
  withheld?: (variable: string) => boolean;
}

export function createLocalMachine(options: LocalMachineOptions): Machine {
  const { name, serverUser, environment, platform = process.platform, withheld } = options;
  const run = createCommandRunner({ environment, serverUser, platform, withheld });
  return {
    name,
    kind: 'local',
    platform,
    serverUser,
    isRoot: process.getuid?.() === 0,
    fileSystem: localFileSystem,
    files: createFiles({ serverUser, platform, run }),
    processes: createProcesses({ environment, serverUser, platform, run }),
    run,
    leasePort,
  };
}
