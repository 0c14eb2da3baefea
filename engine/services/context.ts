/** What every use case works with: one frozen set of ports and stores, wired once in engine/main.ts. */
import type { Database } from '../database/database.ts';
import type { Endpoints } from '../endpoint/endpoint.ts';
import type { Git } from '../git/git.ts';
import type { Machine } from '../machine/machine.ts';
import type { Runner } from '../jobs/runner.ts';
import type { WorkingFiles } from '../migrations/workingFiles.ts';
import type { DatabaseEngine } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { datasetIdSchema, type DatasetId, type InstallationId } from '../protocol/ids.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Store } from '../state/store.ts';
import type { Storage } from '../storage/storage.ts';
import type { Catalog } from './catalog.ts';
import type { OtherHosts } from './checkouts/hostClones.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Feed } from '../jobs/feed.ts';
import type { Certificates } from '../ports/certificates.ts';
import type { Log } from '../ports/log.ts';
import type { Vault } from '../ports/vault.ts';
import type { WorkspaceFiles } from './workspaceFiles.ts';

export interface ServiceContext {
  readonly installation: InstallationId;
  /** Of this engine. */
  readonly version: string;
  readonly store: Store;
  readonly feed: Feed;
  readonly catalog: Catalog;
  readonly runner: Runner;
  readonly clock: Clock;
  readonly random: Random;
  readonly vault: Vault;
  readonly log: Log;
  readonly machine: Machine;
  readonly storage: Storage;
  readonly runtime: Runtime;
  readonly git: Git;
  readonly endpoints: Endpoints;
  readonly certificates: Certificates;
  readonly otherHosts: OtherHosts;
  readonly workspaceFiles: WorkspaceFiles;
  /** The files of a checkout, by its top folder. */
  readonly openCheckout: (folder: string) => WorkingFiles;
  readonly databases: Partial<Record<DatabaseEngine, Database>>;
  /** `sockets`: one folder for each server, see services/clones/servers.ts. */
  readonly directories: { serverLogs: string; scratch: string; sockets: string };
}

export function databaseOf(context: Pick<ServiceContext, 'databases'>, engine: DatabaseEngine): Database {
  const database = context.databases[engine];
  if (database === undefined) throw fail('not_supported', { feature: `The database engine ${engine}` });
  return database;
}

export const newDatasetId = (context: ServiceContext): DatasetId =>
  datasetIdSchema.parse(`data-${context.random.id()}`);

/** Runs work for each item, at most `width` at once; one that fails must say so itself. */
export async function some<Item>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** Runs all, waits for all, then throws the first error: nothing is still at work when a step is undone. */
export async function all<Item, Value>(
  items: readonly Item[],
  work: (item: Item) => Promise<Value>,
): Promise<Value[]> {
  const results = await Promise.allSettled(items.map(work));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
