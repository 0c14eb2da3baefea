/** Reads what a database has, kind by kind, as something that can be compared. */
import type { Client } from 'pg';
import { sqlState } from '../admin.ts';
import { COLUMN_FACTS, KINDS, SEQUENCE_VALUES, type KindQuery } from './catalogueQueries.ts';

/** What is true of an object, in words; null: nothing. A fact that is not there is not known. */
export type Facts = Readonly<Record<string, string | null>>;

export interface InventoryItem {
  kind: string;
  /** As people name it, with its schema, quoted where SQL would. */
  object: string;
  /** Where it belongs: a schema, and a table or its like as SCHEMA.NAME. Without quotes, as `name`. */
  schema: string | null;
  relation: string | null;
  /** As pg_restore lists it; null: it does not list this kind. */
  name: string | null;
  facts: Facts;
}

export interface Inventory {
  major: number;
  items: readonly InventoryItem[];
  /** Kinds that could not be read, each with the server's reason. */
  unread: ReadonlyMap<string, string>;
}

type Row = Record<string, string | null>;

/** In a transaction of its own, or as a part of the one that is open: then nothing of it remains. */
export async function readInventory(
  client: Client,
  major: number,
  options: { inTransaction: boolean; kinds?: readonly KindQuery[] },
): Promise<Inventory> {
  const items: InventoryItem[] = [];
  const unread = new Map<string, string>();
  await client.query(options.inTransaction ? 'SAVEPOINT inventory' : 'BEGIN READ ONLY');
  for (const { kind, text } of options.kinds ?? KINDS) {
    await client.query('SAVEPOINT kind; SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off');
    try {
      const { rows } = await client.query<Row>(text(major));
      for (const row of rows) items.push(itemOf(kind, row));
    } catch (error) {
      // What a server does not let its user see is told as not compared; a lost connection is not.
      if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
      unread.set(kind, error instanceof Error ? error.message : String(error));
    }
    await client.query('ROLLBACK TO SAVEPOINT kind');
  }
  await client.query(options.inTransaction ? 'ROLLBACK TO SAVEPOINT inventory' : 'ROLLBACK');
  return { major, items, unread };
}

/** What sequences gave last, outside of every snapshot. */
export async function readSequenceValues(
  client: Client,
  major: number,
  inTransaction: boolean,
): Promise<readonly InventoryItem[]> {
  return (await readInventory(client, major, { inTransaction, kinds: [SEQUENCE_VALUES] })).items;
}

function itemOf(kind: string, { object, schema, relation, name, ...facts }: Row): InventoryItem {
  return {
    ...{ kind, object: object ?? '', schema: schema ?? null, relation: relation ?? null, name: name ?? null },
    facts,
  };
}

/** A table's columns each by itself, which only somebody needs who has found that two tables differ. */
export function columnsOf(item: InventoryItem): readonly InventoryItem[] {
  const columns = JSON.parse(item.facts['*'] ?? '{}') as Record<string, readonly unknown[]>;
  return Object.entries(columns).map(([name, values], index) => ({
    ...item,
    object: `${item.object}.${quoteIfNeeded(name)}`,
    facts: {
      position: String(index + 1),
      ...Object.fromEntries(COLUMN_FACTS.map((fact, at) => [fact, textOf(values[at])])),
    },
  }));
}

const quoteIfNeeded = (name: string): string =>
  /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

const textOf = (value: unknown): string | null =>
  value === null || value === undefined || value === ''
    ? null
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);
