/** Leases loopback ports by holding them bound. */
import { createServer } from 'node:net';
import { fail } from '../../protocol/errors.ts';
import type { PortLease } from '../machine.ts';
import { hasCode } from './commands.ts';

export function leasePort(port = 0): Promise<PortLease> {
  return new Promise((resolve, reject) => {
    // Nobody is meant to connect while the port is only held.
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', (cause) => {
      reject(hasCode(cause, 'EADDRINUSE', 'EACCES') ? fail('port_taken', { port }, { cause }) : cause);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') {
        reject(new Error('a TCP server without a port'));
        return;
      }
      let released: Promise<void> | undefined;
      resolve({
        port: address.port,
        release: () => (released ??= new Promise((done) => server.close(() => done()))),
      });
    });
  });
}
