/** What databases define: collections with their options and indexes, in a form that can be made again and compared. */
import type { CollectionInfo, Db, Document, MongoClient } from 'mongodb';

export interface Index {
  readonly name: string;
  readonly keys: Readonly<Record<string, unknown>>;
  /** All but the version and the namespace, which differ between servers. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface Collection {
  readonly database: string;
  readonly name: string;
  readonly kind: 'collection' | 'view' | 'timeseries';
  readonly options: Document;
  readonly indexes: readonly Index[];
  /** As the server counts it; null: of a view. */
  readonly documents: number | null;
}

/** The server's own: `system.views` is made by views, buckets by time series. */
const isOwn = (name: string): boolean => name.startsWith('system.');

/** In the order of names; views after what they look at. */
export async function readCollections(
  client: MongoClient,
  databases: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly Collection[]> {
  const found: Collection[] = [];
  for (const database of databases) {
    const db = client.db(database);
    for (const { name, type, options } of await db.listCollections<CollectionInfo>().toArray()) {
      signal?.throwIfAborted();
      if (isOwn(name)) continue;
      const kind = type === 'view' || type === 'timeseries' ? type : 'collection';
      found.push({
        ...{ database, name, kind, options: options ?? {} },
        indexes: kind === 'view' ? [] : await readIndexes(db, name),
        documents: kind === 'view' ? null : await db.collection(name).estimatedDocumentCount(),
      });
    }
  }
  const rank = ({ kind }: Collection): number => (kind === 'view' ? 1 : 0);
  return found.sort(
    (one, other) =>
      rank(one) - rank(other) ||
      one.database.localeCompare(other.database) ||
      one.name.localeCompare(other.name),
  );
}

/** Told apart, or different on each server. */
const NAMED: ReadonlySet<string> = new Set(['key', 'name', 'v', 'ns']);

/** Values as JSON says them: settings are few and small. */
async function readIndexes(db: Db, collection: string): Promise<readonly Index[]> {
  const { EJSON } = (await import('mongodb')).BSON;
  const found = await db.collection(collection).listIndexes().toArray();
  return found
    .map((index: Document) => {
      const parsed = EJSON.parse(EJSON.stringify(index)) as Record<string, unknown>;
      const { key, name } = parsed;
      const options = Object.fromEntries(Object.entries(parsed).filter(([each]) => !NAMED.has(each)));
      return { name: String(name), keys: key as Record<string, unknown>, options };
    })
    .sort((one, other) => one.name.localeCompare(other.name));
}

/** The same text for the same definitions: one line for each collection and index. */
export async function describeDatabase(
  client: MongoClient,
  database: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { EJSON } = (await import('mongodb')).BSON;
  const lines = (await readCollections(client, [database], signal)).flatMap(
    ({ name, kind, options, indexes }) => [
      `${kind} ${name} ${EJSON.stringify(options)}`,
      ...indexes.map(
        (index) => `  index ${index.name} ${JSON.stringify(index.keys)} ${JSON.stringify(index.options)}`,
      ),
    ],
  );
  return `${lines.join('\n')}\n`;
}
