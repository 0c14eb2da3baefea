/**
 * Keeps what was read of environments, snapshots, clones and checkouts until it changes: they are asked for every second and in
 * every request, and parsing a hundred documents each time costs milliseconds and memory.
 */
import type { Store } from './store.ts';

interface Table<Id, Row> {
  list(): Row[];
  get(id: Id): Row | undefined;
  put(row: Row): void;
  remove(id: Id): void;
}

/** What is handed out more than once must not be changed by one of those who hold it. */
function freeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) freeze(part);
  }
  return value;
}

function cachedTable<Id, Row>(
  table: Table<Id, Row>,
  idOf: (row: Row) => Id,
): Table<Id, Row> & { forget(): void } {
  let rows: { list: readonly Row[]; byId: ReadonlyMap<Id, Row> } | undefined;
  const read = (): { list: readonly Row[]; byId: ReadonlyMap<Id, Row> } => {
    if (rows === undefined) {
      const list = table.list().map((row) => freeze(row));
      rows = { list, byId: new Map(list.map((row) => [idOf(row), row])) };
    }
    return rows;
  };
  const forget = (): void => {
    rows = undefined;
  };
  return {
    list: () => [...read().list],
    get: (id) => read().byId.get(id),
    put(row) {
      forget();
      table.put(row);
    },
    remove(id) {
      forget();
      table.remove(id);
    },
    forget,
  };
}

/** The same store, reading each table once after each change of it. Rows that it returns are frozen. */
export function cachedStore(store: Store): Store {
  const environments = cachedTable(store.environments, ({ name }) => name);
  const snapshots = cachedTable(store.snapshots, ({ id }) => id);
  const clones = cachedTable(store.clones, ({ id }) => id);
  const checkouts = cachedTable(store.checkouts, ({ id }) => id);
  return {
    ...store,
    environments,
    snapshots,
    clones,
    checkouts,
    transaction(change) {
      try {
        return store.transaction(change);
      } catch (error) {
        // What was read inside is undone.
        for (const table of [environments, snapshots, clones, checkouts]) table.forget();
        throw error;
      }
    },
  };
}
