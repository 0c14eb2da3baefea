/**
 * The connection of a command that lives for a moment: it believes the discovery file, and looks at the engine when its
 * first request is refused, can't be sent, or is not answered. To ask first takes as long as to ask.
 */
import { createClient, type Client } from '../client.ts';
import { isFailure } from '../errors.ts';
import { protocolVersion } from '../wire.ts';
import { readDiscovery, type Discovery } from './discovery.ts';
import {
  connectEngine,
  tryConnect,
  type ConnectOptions,
  type EngineConnection,
  type EngineProgram,
} from './launch.ts';

/** What a command needs of a connection. */
export type CommandConnection = Omit<EngineConnection, 'info'>;

/** An engine that works answers most requests in milliseconds; after this long it is asked whether it works at all. */
const LOOK_AFTER_MS = 1000;

/** Whether the engine of the file is the one that a careful look would take. */
const isTaken = ({ protocol, version, build }: Discovery, program: EngineProgram): boolean =>
  protocol === protocolVersion && version === program.version && build === program.build;

export interface QuickOptions extends ConnectOptions {
  /** Started when none runs. */
  program: EngineProgram;
  transport: NonNullable<ConnectOptions['transport']>;
  lookAfterMs?: number;
}

/** As `connectEngine`, whose errors may come with the first request. */
export async function connectQuickly(options: QuickOptions): Promise<CommandConnection> {
  const { paths, program, user, lookAfterMs = LOOK_AFTER_MS } = options;
  const discovery = await readDiscovery(paths.discovery);
  if (discovery === undefined || !isTaken(discovery, program)) return connectEngine(options);
  const transport = options.transport({ socketPath: discovery.socket });
  const quick = createClient({ transport, user, token: discovery.token });
  let proven: Client | undefined;
  let later: Promise<EngineConnection> | undefined;

  const call: Client['call'] = async (name, input, callOptions = {}) => {
    if (proven !== undefined) return proven.call(name, input, callOptions);
    try {
      const answer = await lookingAfter(options, lookAfterMs, callOptions.signal, (signal) =>
        quick.call(name, input, { ...callOptions, signal }),
      );
      proven ??= quick;
      return answer;
    } catch (error) {
      if (!isUndone(error)) throw error;
      later ??= connectEngine(options);
      proven = (await later).client;
      return proven.call(name, input, callOptions);
    }
  };
  return {
    client: { call, events: (from, signal) => (proven ?? quick).events(from, signal) },
    discovery,
    close() {
      transport.close();
      // best effort: whoever asked has been told why there is none
      later?.then((connection) => connection.close()).catch(() => undefined);
    },
  };
}

/** The request has had no effect, and the file may have been of the past: the socket takes nobody, or knows another token. */
function isUndone(error: unknown): boolean {
  if (isFailure(error, 'shutting_down') || isFailure(error, 'unauthorized')) return true;
  if (!isFailure(error, 'engine_unreachable')) return false;
  return (error.cause as NodeJS.ErrnoException | undefined)?.syscall === 'connect';
}

/** Rejects with the engine's state when it neither answers the request nor whether it works. */
async function lookingAfter<Value>(
  options: ConnectOptions,
  afterMs: number,
  asked: AbortSignal | undefined,
  request: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const hanging = new AbortController();
  const answered = new AbortController();
  const look = async (): Promise<void> => {
    try {
      const found = await tryConnect({ ...options, signal: answered.signal });
      // One that is gone breaks the request's own connection.
      found?.close();
    } catch (error) {
      hanging.abort(error);
    }
  };
  const timer = setTimeout(() => void look(), afterMs);
  try {
    return await request(asked === undefined ? hanging.signal : AbortSignal.any([asked, hanging.signal]));
  } finally {
    clearTimeout(timer);
    answered.abort();
  }
}
