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

/** `placeOf`: what a row's place in the list follows from. */
function cachedTable<Id, Row>(
  table: Table<Id, Row>,
  idOf: (row: Row) => Id,
  placeOf: (row: Row) => string,
): Table<Id, Row> & { forget(): void } {
  let rows: { list: Row[]; byId: Map<Id, Row> } | undefined;
  const read = (): { list: Row[]; byId: Map<Id, Row> } => {
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
      const known = rows;
      forget();
      table.put(row);
      const before = known?.byId.get(idOf(row));
      if (known === undefined || before === undefined || placeOf(before) !== placeOf(row)) return;
      // One of many that stays where it is: the others need not be read again.
      const now = table.get(idOf(row));
      if (now === undefined) return;
      known.list[known.list.indexOf(before)] = freeze(now);
      known.byId.set(idOf(row), now);
      rows = known;
    },
    remove(id) {
      forget();
      table.remove(id);
    },
    forget,
  };
}

/** The same store, reading each table once after a row came or went, and a row once after its change. Rows that it returns are frozen. */
export function cachedStore(store: Store): Store {
  const environments = cachedTable(
    store.environments,
    ({ name }) => name,
    ({ name }) => name,
  );
  const snapshots = cachedTable(
    store.snapshots,
    ({ id }) => id,
    ({ createdAt }) => createdAt,
  );
  const clones = cachedTable(
    store.clones,
    ({ id }) => id,
    ({ createdAt }) => createdAt,
  );
  const checkouts = cachedTable(
    store.checkouts,
    ({ id }) => id,
    ({ path }) => path,
  );
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
