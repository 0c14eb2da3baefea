/** What a suite needs that retrieves data: a bench, and sources beside it. */
import { openPostgresBench, type PostgresBench } from './postgresBench.ts';
import { startPostgresSource, type PostgresSource, type SourceOptions } from './postgresSource.ts';

/** Call it inside `describe`; `fill` is given both once, before the tests. Nothing is left of them after these. */
export function useBenchWithSource(
  options: SourceOptions,
  fill: (made: { bench: PostgresBench; source: PostgresSource }) => void | Promise<void>,
): void {
  const undo = new AsyncDisposableStack();
  before(async () => {
    const bench = await openPostgresBench();
    undo.defer(() => bench.close());
    const source = await startPostgresSource(options);
    undo.defer(() => source.remove());
    await fill({ bench, source });
  });
  after(() => undo.disposeAsync());
}

/** The data of a source in which nothing was made, ready for clones; the source is gone again. */
export async function retrieveNew(bench: PostgresBench): Promise<{ target: string; version: string }> {
  const source = await startPostgresSource();
  try {
    await source.stop();
    return await bench.retrieve({ retrieval: 'directory', directory: source.dataDirectory });
  } finally {
    await source.remove();
  }
}
