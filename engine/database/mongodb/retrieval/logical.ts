/** Retrieves from a running server: its collections are copied through sessions, which every server allows. */
import type { Retrieved, RetrieveRequest } from '../../database.ts';
import { fail } from '../../../protocol/errors.ts';
import { readCollections, type Collection } from '../collections.ts';
import { versionText } from '../flavours.ts';
import { listDatabases, settleData } from '../prepare.ts';
import { inSource, type Source } from '../sourceConnection.ts';
import type { Workbench } from '../workbench.ts';
import { compareCopy } from './compareCopy.ts';
import { copyCollections } from './copyCollections.ts';
import { select } from './selection.ts';
import type { MongoClient } from 'mongodb';

export async function retrieveLogical(bench: Workbench, request: RetrieveRequest): Promise<Retrieved> {
  const { definition, password, member } = request;
  const { signal, report } = bench;
  const { flavour, version } = bench.server;
  return await inSource({ definition, password, member, signal }, async (source, address) => {
    const dataStateAt = new Date();
    report.phase('reading the source');
    const names = await databasesOf(source, address, definition.database);
    const all = await readCollections(source, names, signal);
    const collections = select(all, definition);
    report.line(`Copying ${collections.length} collections of ${names.join(', ')}.`);
    let leftOut: readonly string[] = [];
    let copied: readonly Collection[] = [];
    await settleData(bench, async (copy) => {
      const onObjectError = definition.onRestoreError ?? 'warn';
      leftOut = await copyCollections({
        ...{ from: source, to: copy, flavour, collections, onObjectError, signal },
        report: { ...report, progress: (done) => report.progress(done * 0.9) },
      });
      copied = await readCollections(copy, names, signal);
    });
    return {
      version: versionText(flavour, version),
      database: names[0] ?? 'test',
      dataStateAt,
      comparison: compareCopy(collections, copied, { leftOut, flavour }),
    };
  });
}

/** The one that the URL or the definition names, else all; the first is where people work. */
export async function databasesOf(
  client: MongoClient,
  { url }: Source,
  wanted: string | undefined,
): Promise<readonly string[]> {
  const name = wanted ?? url.database;
  const found = await listDatabases(client);
  if (name === undefined) return found.map((database) => database.name);
  if (found.some((database) => database.name === name)) return [name];
  throw fail('source_database', { database: name, host: url.hosts });
}
