/** Chooses the way that a member's data comes in, and the server version that it comes into. */
import { fail } from '../../../protocol/errors.ts';
import type { Machine } from '../../../machine/machine.ts';
import type { ImagePrograms } from '../programs/imagePrograms.ts';
import type { ServerPrograms } from '../programs/locate.ts';
import type { Images } from '../../../runtime/images.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import type { Reporter, Retrieved, RetrieveRequest } from '../../database.ts';
import { clientTools, serverAtLeast, serverOf, type FindPrograms } from '../programs.ts';
import { type Workbench } from '../workbench.ts';
import { fullTarget } from '../../fullTarget.ts';
import { portion } from '../../portion.ts';
import { retrieveDirectory } from './directory.ts';
import { inspectDirectory } from './inspectDirectory.ts';
import { retrieveDump } from './dump.ts';
import { retrieveLogical } from './logical.ts';
import { newerServers } from './newerServers.ts';

export interface RetrieveOptions {
  machine: Machine;
  runtime: Runtime;
  images: Images;
  ofImages: ImagePrograms;
  /** Of the machine. */
  programs: FindPrograms;
  socketRoot: string;
  request: RetrieveRequest;
  report: Reporter;
  signal: AbortSignal;
}

export async function retrieveData(options: RetrieveOptions): Promise<Retrieved> {
  const { images, ofImages, request, report, signal } = options;
  const name = request.definition.image;
  if (name === undefined) return await retrieveWith(options);
  report.phase('image');
  const image = await images.pin(name, report, signal);
  const { version } = await ofImages.examine(image);
  report.line(`Servers run from the image ${name} (PostgreSQL ${version}, ${image.digest ?? image.id}).`);
  const programs = ofImages.from(image, options.programs);
  return { ...(await retrieveWith({ ...options, programs })), image };
}

/** With the servers that these programs are. */
async function retrieveWith(options: RetrieveOptions): Promise<Retrieved> {
  const { machine, programs, request, signal } = options;
  const { definition } = request;
  const report = portion(options.report, 0, 1);
  signal.throwIfAborted();
  const bench = (server: ServerPrograms): Workbench => ({
    machine,
    runtime: options.runtime,
    images: options.images,
    server,
    newerServers: () => newerServers(programs, server.major),
    socketRoot: options.socketRoot,
    target: request.target,
    dataset: request.dataset,
    mark: request.mark,
    report,
    signal,
  });
  /** The asked version, else the source's own, else the next newer one: logical data moves upwards. */
  const openBench = async (major: number): Promise<Workbench> => {
    const server =
      definition.version === undefined
        ? await serverAtLeast(programs, major)
        : await serverOf(programs, definition.version, `which the member ${request.member} asks for`);
    if (server.major !== major) {
      report.line(
        `The source is PostgreSQL ${major}; its copies are PostgreSQL ${server.major}${definition.version === undefined ? ', because there are no programs of its version here' : ''}.`,
        server.major < major || definition.version === undefined ? 'warning' : 'info',
      );
    }
    return bench(server);
  };
  try {
    switch (definition.retrieval) {
      case 'logical':
        return await retrieveLogical({
          member: request.member,
          definition,
          password: request.password,
          scratch: request.scratch,
          machine,
          client: await clientTools(programs),
          openBench: ({ major }) => openBench(major),
          report,
          signal,
        });
      case 'dump':
        return await retrieveDump({
          member: request.member,
          definition,
          scratch: request.scratch,
          client: await clientTools(programs),
          openBench,
          machine,
          mark: request.mark,
          report,
          signal,
        });
      case 'directory': {
        const directory = definition.directory ?? '';
        const facts = await inspectDirectory(machine, directory, signal);
        if (definition.version !== undefined && definition.version !== facts.major) {
          const problem = `it holds data of PostgreSQL ${facts.major}, and version ${definition.version} was asked for`;
          throw fail('directory_unusable', { directory, problem });
        }
        const server = await serverOf(programs, facts.major, `which the data in ${directory} needs`);
        const database = await retrieveDirectory(bench(server), directory, facts, definition);
        return { version: String(facts.major), database, dataStateAt: facts.dataStateAt };
      }
      case 'physical':
        throw fail('not_supported', {
          feature: 'The retrieval "physical"',
          instead: 'Use the retrieval "logical", or "directory" on a base backup.',
        });
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw await fullTarget({ machine, target: request.target }, error);
  }
}
