/** Requests as anybody could write them, not only our client: any header, any body, over the socket or TCP. */
import { request as httpRequest } from 'node:http';
import type { Discovery } from '../../engine/protocol/node/discovery.ts';

export interface RawRequest {
  method: string;
  path: string;
  body?: string | undefined;
  /** Replace or, when undefined, remove the good ones. */
  headers?: Readonly<Record<string, string | undefined>>;
  tcpPort?: number | undefined;
}
export interface RawAnswer {
  status: number;
  text: string;
  /** Of the error, or 'none'. */
  code: string;
}

export function ask(discovery: Discovery | undefined, wanted: RawRequest): Promise<RawAnswer> {
  if (discovery === undefined) throw new Error('no engine runs');
  const headers: Record<string, string> = {};
  const all: Record<string, string | undefined> = {
    host: 'localhost',
    authorization: `Bearer ${discovery.token}`,
    ...(wanted.body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(wanted.body)) }),
    ...wanted.headers,
  };
  for (const [name, value] of Object.entries(all)) if (value !== undefined) headers[name] = value;
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        ...(wanted.tcpPort === undefined
          ? { socketPath: discovery.socket }
          : { host: '127.0.0.1', port: wanted.tcpPort }),
        method: wanted.method,
        path: wanted.path,
        headers,
        setHost: false,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, code: codeIn(text) }));
      },
    );
    request.on('error', reject);
    request.end(wanted.body);
  });
}

export interface RawStream {
  /** Everything that came, in the end. */
  ended: Promise<string>;
  close(): void;
}

/** The event stream, once the engine has begun to send it. */
export function openStream(discovery: Discovery | undefined, path: string): Promise<RawStream> {
  if (discovery === undefined) throw new Error('no engine runs');
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        socketPath: discovery.socket,
        path,
        headers: { host: 'localhost', authorization: `Bearer ${discovery.token}` },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        const ended = new Promise<string>((done) => response.on('close', () => done(text)));
        response.on('error', () => undefined);
        response.on('data', (chunk: string) => {
          text += chunk;
          resolve({ ended, close: () => request.destroy() });
        });
      },
    );
    request.on('error', reject);
    request.end();
  });
}

function codeIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: string } };
    return error?.code ?? 'none';
  } catch {
    // best effort: a stream or an empty answer has no code
    return 'none';
  }
}
