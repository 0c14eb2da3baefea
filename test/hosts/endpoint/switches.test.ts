import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { postgresWire } from '../../../engine/database/postgres/wire.ts';
import type { EndpointTarget } from '../../../engine/endpoint/endpoint.ts';
import { createTcpEndpoints } from '../../../engine/endpoint/tcp/tcpEndpoints.ts';
import { cloneId, none, waiting } from '../../contract/endpoint/endpoint.contract.ts';
import { SOURCE_USER, startPostgresSource, type PostgresSource } from '../../support/postgresSource.ts';
import type { Asked, LoadOptions } from './switchLoad.ts';

const SWITCHES = 1_000;
const WORKERS = 2;
const CLIENTS_OF_EACH = 10;
/** Answers before the next switch, so that there is always something to go wrong. */
const ANSWERS_BETWEEN = 5;

interface Led {
  target: EndpointTarget;
  /** Around the call that led there, ns of the monotonic clock. */
  from: bigint;
  since: bigint;
}

const started = ({ target }: Led): string => (target.kind === 'clone' ? target.name : target.kind);

describe('1,000 switches under the load of 20 clients', () => {
  const sources: PostgresSource[] = [];
  before(async () => {
    for (const mark of ['main', 'feature/a', 'feature/b']) {
      const source = await startPostgresSource({ initdb: ['--auth=trust'] });
      sources.push(source);
      await source.run(
        'postgres',
        'CREATE TABLE asked (number int)',
        `CREATE TABLE marks AS SELECT '${mark}' AS mark`,
      );
    }
  });
  after(() => Promise.all(sources.map((source) => source.remove())));

  it('let no query be answered, or run, by another database than the one that was current when it was sent', async function () {
    this.timeout(300_000);
    const marks = ['main', 'feature/a', 'feature/b'];
    const targets = sources.map(({ port }, at): EndpointTarget => ({
      kind: 'clone',
      clone: cloneId('abc'.charAt(at)),
      name: marks[at] ?? '',
      port,
    }));
    const [first] = targets;
    assert.ok(first !== undefined);
    const endpoint = await createTcpEndpoints({ wires: { postgres: postgresWire } }).open({
      port: 0,
      engine: 'postgres',
      title: 'orders',
      target: first,
    });
    const led: Led[] = [{ target: first, from: 0n, since: 0n }];
    const lead = (target: EndpointTarget): void => {
      const from = process.hrtime.bigint();
      endpoint.lead(target, 'Switched.');
      led.push({ target, from, since: process.hrtime.bigint() });
    };

    const counters = new Int32Array(new SharedArrayBuffer(8));
    const workers = Array.from({ length: WORKERS }, (_, at) => {
      const options: LoadOptions = {
        port: endpoint.port,
        clients: CLIENTS_OF_EACH,
        first: at * 100_000_000,
        user: SOURCE_USER,
        counters,
      };
      return new Worker(path.join(import.meta.dirname, 'switchLoad.ts'), { workerData: options });
    });
    const results = workers.map(async (worker) => {
      const [result] = (await once(worker, 'message')) as [{ asked: Asked[]; endings: Map<string, number> }];
      return result;
    });

    for (let switches = 1; switches <= SWITCHES; switches += 1) {
      const before = Atomics.load(counters, 0);
      for (;;) {
        const now = Atomics.load(counters, 0);
        if (now - before >= ANSWERS_BETWEEN) break;
        await Atomics.waitAsync(counters, 0, now, 5_000).value;
      }
      // Some by way of a clone that is being made, some of a moment without any.
      if (switches % 3 === 0) lead(waiting);
      if (switches % 7 === 0) lead(none);
      const next = targets[switches % targets.length];
      assert.ok(next !== undefined);
      lead(next);
    }
    Atomics.store(counters, 1, 1);
    const all = await Promise.all(results);
    await endpoint.close();
    await Promise.all(workers.map((worker) => worker.terminate()));

    /** Everything that was current at some moment from a query's sending on, up to the end of a call of `lead` then. */
    const currentAt = (sentAt: bigint): string[] => {
      const last = led.findLastIndex(({ from }) => from <= sentAt);
      const here = led[last];
      assert.ok(here !== undefined);
      const before = led[last - 1];
      return sentAt < here.since && before !== undefined ? [started(before), started(here)] : [started(here)];
    };
    const asked = all.flatMap((each) => each.asked);
    const allowed = new Map(asked.map(({ number, sentAt }) => [number, currentAt(sentAt)]));
    const answered = asked.filter(({ mark }) => mark !== null);
    assert.deepEqual(
      answered.filter(({ number, mark }) => mark !== null && allowed.get(number)?.includes(mark) !== true),
      [],
    );
    for (const [at, source] of sources.entries()) {
      const client = await source.connect();
      const { rows } = await client.query<{ number: number }>('SELECT number FROM asked');
      await client.end();
      const wrong = rows.filter(({ number }) => allowed.get(number)?.includes(marks[at] ?? '') !== true);
      assert.deepEqual(wrong, [], `${marks[at]} ran queries that were sent while it was not current`);
      assert.ok(rows.length > SWITCHES, `${marks[at]} ran ${rows.length} queries`);
    }
    assert.ok(answered.length >= SWITCHES * ANSWERS_BETWEEN);
    // The load was there: connections were ended, and told so in the protocol.
    const told = all.reduce((sum, { endings }) => sum + (endings.get('57P01') ?? 0), 0);
    assert.ok(told > SWITCHES, JSON.stringify(all.map(({ endings }) => [...endings])));
  });
});
