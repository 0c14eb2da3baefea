/** Copies collections from one server to another through sessions with both: options, documents, indexes. */
import type { Document, MongoClient } from 'mongodb';
import { mapBounded } from '../../../domain/mapBounded.ts';
import { fail } from '../../../protocol/errors.ts';
import type { Reporter } from '../../database.ts';
import type { Collection, Index } from '../collections.ts';
import type { Flavour } from '../flavours.ts';

/** Reading waits for the source's network and writing for our disk: a few at once keep both busy. */
const AT_ONCE = 4;
/** A message holds 48 MB at most, and each document is in memory on both sides. */
const BATCH_DOCUMENTS = 1000;
const BATCH_BYTES = 8 * 1024 * 1024;

/** Values keep the types that they have: a long stays one, also where a JavaScript number could hold it. */
const EXACT = { promoteValues: false, promoteLongs: false, promoteBuffers: false, bsonRegExp: true };

export interface CopyOptions {
  from: MongoClient;
  to: MongoClient;
  /** Of the server that they go to. */
  flavour: Flavour;
  collections: readonly Collection[];
  /** What an object costs that can't be made here. Documents always fail the copy. */
  onObjectError: 'fail' | 'warn';
  report: Reporter;
  signal: AbortSignal;
}

/** Names what was left out, as "view shop.recent: why". */
export async function copyCollections(options: CopyOptions): Promise<readonly string[]> {
  const { collections, report, signal } = options;
  const leftOut: string[] = [];
  const total = collections.reduce((sum, { documents }) => sum + (documents ?? 0), 0);
  let done = 0;
  const advance = (count: number): void => {
    done += count;
    if (total > 0) report.progress(Math.min(1, done / total));
  };
  const leave = (object: string, why: string): void => {
    if (options.onObjectError === 'fail') throw fail('restore_failed', { problem: `${object}: ${why}` });
    leftOut.push(object);
    report.line(`Left out: ${object}: ${why}`, 'warning');
  };
  report.phase('copying');
  const [tables, views] = [collections.filter(isStored), collections.filter((each) => !isStored(each))];
  await mapBounded(tables, AT_ONCE, async (collection) => {
    signal.throwIfAborted();
    await copyOne(options, collection, advance, leave);
  });
  // A view may look at another one, so they come one after the other, and once more.
  for (const view of views) await makeView(options, view, leave);
  return leftOut;
}

const isStored = ({ kind }: Collection): boolean => kind !== 'view';

type Leave = (object: string, why: string) => void;

async function copyOne(
  options: CopyOptions,
  collection: Collection,
  advance: (count: number) => void,
  leave: Leave,
): Promise<void> {
  const { from, to, flavour, report, signal } = options;
  const { database, name, kind } = collection;
  const began = performance.now();
  if (kind === 'timeseries' && !flavour.abilities.timeSeries) {
    leave(`time series ${database}.${name}`, `${flavour.title} has none`);
    return;
  }
  await makeCollection(to, flavour, collection, leave);
  const target = to.db(database).collection(name);
  let batch: Document[] = [];
  let bytes = 0;
  let count = 0;
  const { BSON } = await import('mongodb');
  const write = async (): Promise<void> => {
    if (batch.length === 0) return;
    await target.insertMany(batch, { ordered: true });
    count += batch.length;
    advance(batch.length);
    batch = [];
    bytes = 0;
  };
  // In the order in which a capped collection gives them out.
  const cursor = from
    .db(database)
    .collection(name)
    .find({}, { batchSize: BATCH_DOCUMENTS, ...EXACT });
  try {
    for await (const document of cursor) {
      signal.throwIfAborted();
      batch.push(document);
      bytes += BSON.calculateObjectSize(document);
      if (batch.length >= BATCH_DOCUMENTS || bytes >= BATCH_BYTES) await write();
    }
    await write();
  } finally {
    await cursor.close();
  }
  await makeIndexes(to, collection, leave);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  report.line(`${database}.${name}: ${count} documents, ${collection.indexes.length} indexes, ${seconds} s`);
}

/** Options of a collection that only some servers take. */
const VALIDATOR = ['validator', 'validationLevel', 'validationAction'];
/** The source's own, which say nothing of the data. */
const FOREIGN = [
  'uuid',
  'storageEngine',
  'recordPreImages',
  'changeStreamPreAndPostImages',
  'encryptedFields',
];

async function makeCollection(
  to: MongoClient,
  flavour: Flavour,
  { database, name, options }: Collection,
  leave: Leave,
): Promise<void> {
  const kept: Document = {};
  for (const [key, value] of Object.entries(options) as [string, unknown][]) {
    if (FOREIGN.includes(key)) continue;
    if (VALIDATOR.includes(key) && !flavour.abilities.validators) {
      if (key === 'validator') leave(`validator of ${database}.${name}`, `${flavour.title} has none`);
      continue;
    }
    kept[key] = value;
  }
  try {
    await to.db(database).createCollection(name, kept);
  } catch (error) {
    leave(`options of ${database}.${name}`, textOf(error));
    await to.db(database).createCollection(name);
  }
}

async function makeIndexes(to: MongoClient, collection: Collection, leave: Leave): Promise<void> {
  const { database, name } = collection;
  for (const index of collection.indexes) {
    if (isOwnIndex(index)) continue;
    try {
      const { keys, options } = index;
      await to
        .db(database)
        .command({ createIndexes: name, indexes: [{ ...options, key: keys, name: index.name }] });
    } catch (error) {
      leave(`index ${index.name} of ${database}.${name}`, textOf(error));
    }
  }
}

/** Made with its collection. */
const isOwnIndex = ({ name, keys }: Index): boolean => name === '_id_' && Object.keys(keys).length === 1;

async function makeView(options: CopyOptions, view: Collection, leave: Leave): Promise<void> {
  const { database, name } = view;
  const { to, flavour } = options;
  if (!flavour.abilities.views) {
    leave(`view ${database}.${name}`, `${flavour.title} has none`);
    return;
  }
  try {
    await to.db(database).createCollection(name, view.options);
  } catch (error) {
    leave(`view ${database}.${name}`, textOf(error));
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
