/** Applications that ask through a stable port all the time, and who answered them when: judged by what the engine had reported. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Connection } from '../../../engine/protocol/entities.ts';
import type { CheckoutId } from '../../../engine/protocol/ids.ts';
import { tellQuery, type Told } from '../../faults/checkoutWorld.ts';
import type { Reports } from './reports.ts';

/** So that the clients of several ports leave something of the machine to the engine. */
const BETWEEN_CONNECTIONS_MS = 15;
const BETWEEN_QUERIES_MS = 3;

interface Answer {
  /** Milliseconds of `performance.now()`. */
  sentAt: number;
  /** Of `Date.now()`, as the engine tells of its switches. */
  answeredAt: number;
  dataset: string;
}

export interface Verdict {
  answers: number;
  /** Of databases of other branches than the one that had been reported when the query was sent, for people. */
  wrong: string[];
  /** How connections ended or were refused, by SQLSTATE. */
  endings: ReadonlyMap<string, number>;
}

export interface Hammer {
  stop(reports: Reports): Promise<Verdict>;
}

/** One client connects anew for each query, another keeps its session for as long as it gets. */
export function hammer(checkout: CheckoutId, login: Connection): Hammer {
  const { host, port, user, password, database } = login;
  const answers: Answer[] = [];
  const endings = new Map<string, number>();
  let isStopped = false;

  const open = async (): Promise<pg.Client> => {
    const session = new pg.Client({ host, port, user, password, database });
    session.on('error', () => undefined);
    await session.connect();
    return session;
  };
  const query = async (session: pg.Client, sentAt: number): Promise<void> => {
    const { rows } = await session.query<Told>(tellQuery);
    answers.push({ sentAt, answeredAt: Date.now(), dataset: rows[0]?.dataset ?? 'nobody' });
  };
  const noted = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      endings.set(code ?? message, (endings.get(code ?? message) ?? 0) + 1);
    }
  };
  const connectAnew = async (): Promise<void> => {
    while (!isStopped) {
      await noted(async () => {
        const sentAt = performance.now();
        const session = await open();
        await query(session, sentAt).finally(() => session.end());
      });
      await sleep(BETWEEN_CONNECTIONS_MS);
    }
  };
  const keepSession = async (): Promise<void> => {
    while (!isStopped) {
      await noted(async () => {
        const session = await open();
        try {
          while (!isStopped) {
            await query(session, performance.now());
            await sleep(BETWEEN_QUERIES_MS);
          }
        } finally {
          await session.end();
        }
      });
      await sleep(BETWEEN_CONNECTIONS_MS);
    }
  };
  const clients = Promise.all([connectAnew(), keepSession()]);

  return {
    async stop(reports) {
      isStopped = true;
      await clients;
      return { answers: answers.length, wrong: answers.flatMap((each) => problemOf(each)), endings };

      function problemOf({ sentAt, answeredAt, dataset }: Answer): string[] {
        const clone = reports.cloneOf(dataset);
        const heard = reports.of(checkout);
        const isHere = ({ checkout: { state, clone: led } }: (typeof heard)[number]): boolean =>
          state === 'ready' && led === clone;
        const known = heard.findLast(({ at }) => at <= sentAt);
        if (known !== undefined && isHere(known)) return [];
        // It may have been led there after the query was sent, whenever that was heard.
        const came = heard.some(
          (report) =>
            report.at > sentAt &&
            isHere(report) &&
            Date.parse(report.checkout.switchedAt ?? '') <= answeredAt,
        );
        if (came) return [];
        const { state, key } = known?.checkout ?? { state: 'nothing', key: null };
        return [`${dataset} (${clone ?? 'no clone'}) answered when ${state} ${key ?? ''} had been reported`];
      }
    },
  };
}
