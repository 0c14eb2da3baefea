/** Refuses clients of ports that are no endpoint: read as an endpoint reads them, over TLS where they ask for it, and told why where their protocol can. */
import type { Socket } from 'node:net';
import type { HomeCertificate } from '../../ports/certificates.ts';
import type { DatabaseEngine } from '../../protocol/entities.ts';
import type { Wire } from '../wire.ts';
import { serveClient } from './connection.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { createSeats } from './seats.ts';
import { createSecurity } from './security.ts';
import type { ConnectionContext } from './served.ts';

export interface Refusal {
  engine: DatabaseEngine;
  /** What people read: why, and what to do next. */
  reason: string;
  next: string;
}

/** Of a client nothing of which was read. */
export type Refuser = (client: Socket, refusal: Refusal) => void;

export interface RefuserOptions {
  wires: Partial<Record<DatabaseEngine, Wire>>;
  limits?: Partial<Limits>;
  certificate: () => HomeCertificate | undefined;
}

export function createRefuser(options: RefuserOptions): Refuser {
  const limits = { ...defaultLimits, ...options.limits };
  const security = createSecurity(options.certificate);
  return (client, { engine, reason, next }) => {
    const context: ConnectionContext = {
      ...{ wire: options.wires[engine], limits, title: '', port: client.localPort ?? 0, security },
      target: () => ({ kind: 'none', reason, next }),
      mayHold: () => false,
      seats: createSeats({ count: 0, waiting: 0, ownMs: 0 }),
      secured(socket, through, secured) {
        serveClient({ socket, through, security: secured }, context);
      },
      // Nothing runs for anybody here.
      passCancel: (_key, socket) => socket.destroy(),
      cancel: () => undefined,
    };
    serveClient({ socket: client, through: client, security: undefined }, context);
  };
}
