/** The way from an endpoint to the server of one clone, for one client. */
import { connect, type Socket } from 'node:net';
import type { EndpointTarget } from '../endpoint.ts';
import type { SessionStream, Wire } from '../wire.ts';
import type { Security } from './security.ts';

export type CloneTarget = Extract<EndpointTarget, { kind: 'clone' }>;

export interface LinkOptions {
  target: CloneTarget;
  /** The endpoint's own port, which is never a server's. */
  ownPort: number;
  wire: Wire | undefined;
  /** For a client that has gone over to TLS itself: so does its server, if it can. */
  security: Security | undefined;
  /** Sent when the server has accepted. */
  first: Buffer;
  /** The server is there, and has been sent the first bytes. */
  onReached: () => void;
  /** The server has answered (where the protocol is not known: accepted). */
  onOpen: () => void;
  /** False when the client can't take more now: `resume` goes on. */
  onData: (chunk: Buffer) => boolean;
  onDrain: () => void;
  /** The server can't be reached, or has closed. Told once, and never after `destroy`. */
  onClosed: () => void;
}

export interface Link {
  readonly target: CloneTarget;
  readonly stream: SessionStream | undefined;
  /** False when the server can't take more now. */
  write(chunk: Buffer): boolean;
  /** The client has sent its last byte. */
  end(): void;
  resume(): void;
  /** From now on no byte passes in either direction. */
  destroy(): void;
}

export function openLink(options: LinkOptions): Link {
  const { target, ownPort, wire, security, first, onReached, onOpen, onData, onDrain, onClosed } = options;
  const raw = connect({ host: '127.0.0.1', port: target.port, noDelay: true, allowHalfOpen: true });
  let socket: Socket = raw;
  const stream = wire?.follow();
  let isOpen = false;
  let gone = false;

  const open = (): void => {
    isOpen = true;
    onOpen();
  };
  const close = (): void => {
    if (gone) return;
    gone = true;
    socket.destroy();
    raw.destroy();
    onClosed();
  };

  /** Through this one it talks to its server from now on. */
  const talk = (ready: Socket): void => {
    socket = ready;
    if (gone) {
      socket.destroy();
      return;
    }
    socket.on('data', (chunk: Buffer) => {
      if (gone) return;
      if (!isOpen) open();
      stream?.push(chunk);
      if (!onData(chunk)) socket.pause();
    });
    socket.on('drain', () => {
      if (!gone) onDrain();
    });
    socket.on('end', close);
    if (socket !== raw) socket.on('close', close);
    if (first.length > 0) socket.write(first);
    onReached();
    if (wire === undefined) open();
  };

  raw.on('connect', () => {
    if (gone) return;
    // A port that nobody listens on can, once in a while, be the one that a connection to it begins from.
    if (target.port === ownPort || raw.localPort === target.port) close();
    // The way to another host is safe already; there a server shows another certificate than this endpoint, which logins may be bound to.
    else if (wire === undefined || security === undefined || target.far !== undefined) talk(raw);
    else security.withServer(raw, wire.security, talk);
  });
  raw.on('end', close);
  raw.on('close', close);
  raw.on('error', () => undefined); // best effort: `close` follows, and the client is told there

  return {
    target,
    stream,
    write: (chunk) => socket.write(chunk),
    end: () => socket.end(),
    resume: () => socket.resume(),
    destroy() {
      gone = true;
      socket.destroy();
      raw.destroy();
    },
  };
}
