/** Requests over the engine's unix socket, named pipe or loopback TCP. */
import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type { Transport, TransportRequest } from '../client.ts';
import { fail } from '../errors.ts';

export type Address = { socketPath: string } | { host: '127.0.0.1'; port: number };

export function createTransport(address: Address): Transport & { close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const open = (options: TransportRequest, extra: RequestOptions): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          ...address,
          ...extra,
          method: options.method,
          path: options.path,
          headers: {
            ...options.headers,
            ...(options.body === undefined ? {} : { 'content-length': Buffer.byteLength(options.body) }),
          },
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
        resolve,
      );
      request.on('error', (error) => {
        if (options.signal?.aborted === true) reject(error);
        else reject(fail('engine_unreachable', { problem: error.message }, { cause: error }));
      });
      request.end(options.body);
    });
  const read = async function* (
    response: IncomingMessage,
    signal: AbortSignal | undefined,
  ): AsyncIterable<string> {
    response.setEncoding('utf8');
    try {
      for await (const chunk of response) yield chunk as string;
    } catch (error) {
      if (signal?.aborted === true) return;
      const problem = error instanceof Error ? error.message : String(error);
      throw fail('engine_unreachable', { problem }, { cause: error });
    }
  };
  return {
    async request(options) {
      const response = await open(options, { agent });
      let text = '';
      for await (const chunk of read(response, options.signal)) text += chunk;
      return {
        status: response.statusCode ?? 0,
        text,
        header(name) {
          const value = response.headers[name];
          return typeof value === 'string' ? value : undefined;
        },
      };
    },
    async *stream(options) {
      // A stream of its own connection: it must not hold one of the agent's.
      const response = await open(options, { agent: false });
      if (response.statusCode !== 200) {
        response.resume();
        throw fail('engine_unreachable', {
          problem: `the event stream answered ${response.statusCode ?? 0}`,
        });
      }
      yield* read(response, options.signal);
    },
    close: () => agent.destroy(),
  };
}
