/** Two runtimes as one: servers with an image in containers, all others as processes of the machine. */
import type { Machine } from '../machine/machine.ts';
import { UnfitFileError } from '../protocol/node/regularFile.ts';
import type { Runtime, ServerSpec, ServerTraits } from './runtime.ts';

export interface RuntimesOptions {
  machine: Pick<Machine, 'files'>;
  traits: readonly ServerTraits[];
  processes: Runtime;
  /** Called when something is in a container: whoever has no image never needs one. */
  containers: () => Promise<Runtime>;
}

export function joinRuntimes({ machine, traits, processes, containers }: RuntimesOptions): Runtime {
  return {
    async start(spec, signal, options) {
      if (spec.image === undefined) return await processes.start(spec, signal, options);
      return await (await containers()).start(spec, signal, options);
    },
    async find(spec) {
      const found = await processes.find(spec);
      if (found !== undefined || !(await isFirstProcess(machine, traits, spec))) return found;
      return await (await containers()).find(spec);
    },
    alive: (server) => processes.alive(server),
    async stop(server, ...rest) {
      await (server.container === undefined ? processes : await containers()).stop(server, ...rest);
    },
    async logTail(spec, lines) {
      return await ('image' in spec && spec.image !== undefined ? await containers() : processes).logTail(
        spec,
        lines,
      );
    },
  };
}

const PID_FILE_BYTES = 64 * 1024;

/** The data says of its server that it is the first process of all: so it is only inside of a container. */
async function isFirstProcess(
  machine: Pick<Machine, 'files'>,
  traits: readonly ServerTraits[],
  { dataDirectory }: Pick<ServerSpec, 'dataDirectory'>,
): Promise<boolean> {
  const data = machine.files.inside(dataDirectory);
  for (const { pidFile } of traits) {
    if (pidFile === undefined) continue;
    try {
      const text = await data.read(pidFile, { maxBytes: PID_FILE_BYTES });
      if (text?.split('\n', 1)[0]?.trim() === '1') return true;
    } catch (error) {
      // SQL put something else in its place: whoever does may be in a container.
      if (!(error instanceof UnfitFileError)) throw error;
      return true;
    }
  }
  return false;
}
