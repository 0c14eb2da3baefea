/** Chooses the way that a member's data comes in, and the server that it comes into. */
import type { Machine } from '../../../machine/machine.ts';
import { fail } from '../../../protocol/errors.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import type { Reporter, Retrieved, RetrieveRequest } from '../../database.ts';
import { portion } from '../../portion.ts';
import { serverFor, type FindServers, type ServerProgram } from '../programs.ts';
import { type Workbench } from '../workbench.ts';
import { fullTarget } from '../../fullTarget.ts';
import { inspectDirectory, retrieveDirectory } from './directory.ts';
import { retrieveLogical } from './logical.ts';

export interface RetrieveOptions {
  machine: Machine;
  runtime: Runtime;
  servers: FindServers;
  socketRoot: string;
  request: RetrieveRequest;
  report: Reporter;
  signal: AbortSignal;
}

export async function retrieveData(options: RetrieveOptions): Promise<Retrieved> {
  const { machine, servers, request, signal } = options;
  const { definition, member, target, dataset, mark } = request;
  const report = portion(options.report, 0, 1);
  signal.throwIfAborted();
  const bench = (server: ServerProgram): Workbench => ({
    ...{ machine, runtime: options.runtime, server, socketRoot: options.socketRoot },
    ...{ target, dataset, mark, report, signal },
  });
  try {
    switch (definition.retrieval) {
      case 'logical':
        return await retrieveLogical(
          bench(await serverFor(servers, undefined, `which the member ${member} needs`)),
          request,
        );
      case 'directory': {
        const facts = await inspectDirectory(machine, definition.directory ?? '');
        const fitting: FindServers = async () =>
          (await servers()).filter(({ flavour }) => flavour === facts.flavour);
        const server = await serverFor(
          fitting,
          undefined,
          `which the data in ${definition.directory ?? ''} needs`,
        );
        return await retrieveDirectory(bench(server), facts, definition);
      }
      case 'dump':
      case 'physical':
        throw fail('not_supported', {
          feature: `The retrieval "${definition.retrieval}" of MongoDB`,
          instead: 'Use the retrieval "logical" or "directory".',
        });
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw await fullTarget({ machine, target }, error);
  }
}
