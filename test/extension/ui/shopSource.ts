/** A real PostgreSQL with a shop in it, as the source of a suite in the workbench. */
import { startPostgresSource, type PostgresSource } from '../../support/postgresSource.ts';

const START_TIMEOUT_MS = 2 * 60_000;

/** Call it inside `describe`, before `useWorkbench`; the function it answers gives the source, whose database is `shop`. */
export function useShopSource(orders: number, ...more: readonly string[]): () => PostgresSource {
  let source: PostgresSource | undefined;
  before('start a source', async function () {
    this.timeout(START_TIMEOUT_MS);
    source = await startPostgresSource();
    await source.run('postgres', 'create database shop');
    await source.run(
      'shop',
      'create table orders (id int primary key, note text)',
      `insert into orders select n, 'order ' || n from generate_series(1, ${orders}) n`,
      ...more,
    );
  });
  after('stop the source', () => source?.remove());
  return () => {
    if (!source) throw new Error('useShopSource: the source exists only while tests run.');
    return source;
  };
}
