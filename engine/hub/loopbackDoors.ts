/** Ports on loopback of this machine, whose connections are led elsewhere. */
import { createServer, type Socket } from 'node:net';
import type { Refuser } from '../endpoint/tcp/refuser.ts';
import { leadInto } from '../link/leadInto.ts';
import type { Doors } from './tunnels.ts';

/** Who can't be led is refused. */
export const loopbackDoors = (refuse: Refuser): Doors => ({
  async open({ port, lead, onProblem, refusalBy }) {
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
      const leaving = new AbortController();
      sockets.add(socket);
      // Whoever connected is told nothing more: the streams behind it say what broke.
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        leaving.abort();
      });
      lead(socket, leaving.signal).then(
        (stream) => leadInto(stream, socket),
        (error: unknown) => {
          if (leaving.signal.aborted) return;
          onProblem(error);
          refuse(socket, refusalBy(error));
          // What it said may have been read, and is to be read again.
          socket.resume();
        },
      );
    });
    const isOpen = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
        else reject(error);
      });
      server.listen({ host: '127.0.0.1', port }, () => resolve(true));
    });
    const address = server.address();
    if (!isOpen || address === null || typeof address === 'string') return undefined;
    return {
      port: address.port,
      close: () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          for (const socket of sockets) socket.destroy();
        }),
    };
  },
});
