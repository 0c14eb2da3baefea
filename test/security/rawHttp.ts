/** Requests as anybody could send them, well-formed or not, over the engine's socket or its TCP port. */
import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import type { Discovery } from '../../engine/protocol/node/discovery.ts';
import { routes, type RouteName } from '../../engine/protocol/routes.ts';

export type Address = { socketPath: string } | { host: string; port: number };

export interface RawAnswer {
  status: number;
  text: string;
  code: string | undefined;
}

export interface RawRequest {
  method: string;
  path: string;
  headers?: OutgoingHttpHeaders;
  body?: string;
}

export function send(address: Address, { method, path, headers = {}, body }: RawRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    // Node frames the body of a DELETE only when its length is told.
    const length =
      body === undefined || 'transfer-encoding' in headers
        ? {}
        : { 'content-length': Buffer.byteLength(body) };
    const all = { ...length, ...headers };
    const request = httpRequest({ ...address, method, path, headers: all, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, code: codeIn(text) }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

function codeIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { error?: { code?: string } }).error?.code;
  } catch {
    // best effort: no document is an answer too, which the caller judges
    return undefined;
  }
}

export const addresses = ({ socket, tcpPort }: Discovery): [string, Address][] => [
  ['the socket', { socketPath: socket }],
  ['TCP', { host: '127.0.0.1', port: tcpPort ?? 0 }],
];

export const routeNames = Object.keys(routes) as RouteName[];

/** Method and path of a route; its parameters name what is not there. */
export const target = (name: RouteName, value = 'nowhere'): { method: string; path: string } => ({
  method: routes[name].method,
  path: routes[name].path.replace(/:[a-z]+/g, encodeURIComponent(value)),
});
