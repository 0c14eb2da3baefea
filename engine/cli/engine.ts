/** `thin-clones engine`: run, look at, stop and repair the engine itself. */
import type { Command } from 'commander';
import type { Client } from '../protocol/client.ts';
import type { EngineInfo } from '../protocol/entities.ts';
import { isFailure } from '../protocol/errors.ts';
import { formatDuration, formatFields } from './format.ts';
import type { Session } from './session.ts';

function infoText(info: EngineInfo): string {
  return formatFields([
    ['engine', `${info.version}, ${info.state}${info.problem === null ? '' : `: ${info.problem}`}`],
    ['process', String(info.pid)],
    ['up', `${formatDuration(info.uptimeMs)}, since ${info.startedAt}`],
    ['storage', info.storage ?? 'none'],
    ['home', info.home],
    ['protocol', String(info.protocol)],
  ]);
}

export function addEngineCommands(program: Command, session: Session): void {
  const { output, surroundings } = session;
  const engine = program
    .command('engine')
    .description('the background process that makes and keeps clones; it starts on demand');

  engine
    .command('serve')
    .description('run the engine in this terminal, until Ctrl-C or "engine stop"')
    .action(async () => {
      session.exitCode = await surroundings.serve();
    });

  engine
    .command('bridge')
    .description('lead requests of another machine to the engine of this one, over standard input and output')
    .action(() => surroundings.bridge());

  engine
    .command('status')
    .description('process, version, uptime and storage; never starts an engine')
    .action(async () => {
      const { client } = await session.running();
      const info = await client.call('engineInfo', {}, { signal: session.signal });
      output.answer({ json: info, text: () => infoText(info) });
    });

  engine
    .command('stop')
    .description('stop the engine; clones go on')
    .action(async () => {
      try {
        const connection = await session.running();
        const ports = await openPorts(connection.client, session.signal);
        await surroundings.stop(connection, session.signal);
        const { pid } = connection.discovery;
        output.answer({
          json: { stopped: true, pid },
          text: () =>
            `Engine ${pid} stopped. Clones go on at their own ports${ports.length === 0 ? '' : `; the stable ${ports.length === 1 ? 'port' : 'ports'} ${ports.join(', ')} of checkouts answer again when the next command starts an engine`}.`,
        });
      } catch (error) {
        if (!isFailure(error, 'engine_unreachable')) throw error;
        output.answer({ json: { stopped: false, pid: null }, text: () => 'No engine is running.' });
      }
    });

  engine
    .command('rebuild')
    .description('set a state that can not be trusted aside and find everything again in the data itself')
    .action(async () => {
      const client = await session.client();
      const result = await client.call('engineRebuild', {}, { signal: session.signal });
      output.answer({
        json: result,
        text: () =>
          `Found ${result.snapshots} snapshots and ${result.clones} clones.${result.keptAs === null ? '' : ` The old state is kept as ${result.keptAs}.`}`,
      });
    });
}

/** The stable ports that end with the engine. */
async function openPorts(client: Client, signal: AbortSignal): Promise<number[]> {
  try {
    const { items } = await client.call('checkoutList', {}, { signal });
    return items.flatMap(({ state, endpoints }) =>
      state === 'off' ? [] : endpoints.map(({ port }) => port),
    );
  } catch (error) {
    // best effort: an engine whose host is unusable has none open, and has to be stopped all the same
    if (isFailure(error)) return [];
    throw error;
  }
}
