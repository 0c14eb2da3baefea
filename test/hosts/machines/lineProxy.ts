/** A line between two ports of loopback that can be slow, go dead or be cut, since kernels without netem have no such. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface LineProxy {
  readonly port: number;
  /** Added to every round trip from now on; half of it each way. */
  delay(roundTripMs: number): void;
  /** Nothing goes through any more, and nobody is told; what was sent meanwhile goes through when it ends. */
  blackHole(on: boolean): void;
  /** Ends every connection on both sides. */
  cut(): void;
  /** Cuts, and ends whatever connects from now on. */
  refuse(on: boolean): void;
  /** The far side of every connection ends, and the near side never hears of it. */
  halfOpen(): void;
  readonly connections: number;
  close(): Promise<void>;
}

interface Line {
  near: Socket;
  far: Socket;
  /** The near side hears nothing more of the far one. */
  silent: boolean;
}

export async function startLineProxy(toPort: number): Promise<LineProxy> {
  let oneWayMs = 0;
  let hole: { promise: Promise<void>; end: () => void } | undefined;
  let connections = 0;
  const lines = new Set<Line>();

  /** One after another: each waits until its time has come, and until no hole swallows it. */
  const carry = (from: Socket, to: Socket, line: Line): void => {
    let last = Promise.resolve();
    const later = (act: () => void): void => {
      const due = performance.now() + oneWayMs;
      last = last.then(async () => {
        await until(due);
        await hole?.promise;
        act();
      });
    };
    let waiting = 0;
    from.on('data', (chunk: Buffer) => {
      if (line.silent) return;
      waiting += chunk.length;
      if (waiting > 4 << 20) from.pause();
      later(() => {
        waiting -= chunk.length;
        if (from.isPaused()) from.resume();
        to.write(chunk);
      });
    });
    from.on('end', () => {
      if (!line.silent) later(() => to.end());
    });
    // best effort: a connection that breaks here breaks there, as on any line.
    from.on('error', () => {
      if (!line.silent) to.destroy();
    });
    from.on('close', () => {
      if (line.silent && !to.destroyed) return;
      later(() => to.destroySoon());
      lines.delete(line);
    });
  };

  let refusing = false;
  const server = createServer((near) => {
    if (refusing) {
      near.destroy();
      return;
    }
    connections += 1;
    const line = { near, far: connect(toPort, '127.0.0.1'), silent: false };
    lines.add(line);
    near.setNoDelay(true);
    line.far.setNoDelay(true);
    carry(near, line.far, line);
    carry(line.far, near, line);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const { near, far } of lines) {
      near.destroy();
      far.destroy();
    }
  };
  const blackHole = (on: boolean): void => {
    if (on && hole === undefined) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      hole = { promise: promise.then(() => undefined), end: () => resolve(undefined) };
    }
    if (!on) {
      hole?.end();
      hole = undefined;
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    delay: (roundTripMs) => {
      oneWayMs = roundTripMs / 2;
    },
    blackHole,
    cut,
    refuse(on) {
      refusing = on;
      if (on) cut();
    },
    halfOpen: () => {
      for (const line of lines) {
        line.silent = true;
        line.far.destroy();
        line.near.resume();
      }
    },
    close: async () => {
      cut();
      blackHole(false);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function until(due: number): Promise<void> {
  const left = due - performance.now();
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
}
