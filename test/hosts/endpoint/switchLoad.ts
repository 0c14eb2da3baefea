/**
 * A worker thread of clients that ask through an endpoint without a pause, and note when they sent what and who answered.
 * Every query leaves its number behind in the database that runs it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';

export interface LoadOptions {
  port: number;
  clients: number;
  /** Numbers of queries begin here, so that those of no two workers are equal. */
  first: number;
  user: string;
  /** [0]: answered queries of all workers; [1]: 1 ends the load. */
  counters: Int32Array;
}

/** Times are of the monotonic clock that all threads of a machine share, ns. */
export interface Asked {
  number: number;
  sentAt: bigint;
  /** Who answered; null when the connection was ended before. */
  mark: string | null;
}

const { port, clients, first, user, counters } = workerData as LoadOptions;
const asked: Asked[] = [];
/** SQLSTATEs or messages of how connections ended. */
const endings = new Map<string, number>();
const done = (): boolean => Atomics.load(counters, 1) === 1;

const note = (error: unknown): void => {
  const { code, message } = error as { code?: string; message: string };
  const name = code ?? message;
  endings.set(name, (endings.get(name) ?? 0) + 1);
};

async function run(): Promise<void> {
  while (!done()) {
    const client = new pg.Client({ host: '127.0.0.1', port, user, database: 'postgres' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      while (!done()) {
        const entry: Asked = { number: first + asked.length, sentAt: process.hrtime.bigint(), mark: null };
        asked.push(entry);
        const { rows } = await client.query<{ mark: string }>(
          `INSERT INTO asked VALUES (${entry.number}) RETURNING (SELECT mark FROM marks) AS mark`,
        );
        entry.mark = rows[0]?.mark ?? null;
        Atomics.add(counters, 0, 1);
        Atomics.notify(counters, 0);
      }
    } catch (error) {
      note(error);
    } finally {
      await client.end().catch(() => undefined); // best effort: most were ended by the endpoint
    }
  }
}

await Promise.all(Array.from({ length: clients }, run));
parentPort?.postMessage({ asked, endings });
