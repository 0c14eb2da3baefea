/** What the routes of this machine's storage do: how thin clones stand, and the move of what lies elsewhere. */
import type { StorageSetUp } from '../../protocol/entities.ts';
import type { Storage } from '../../storage/storage.ts';
import type { HandlersOf } from '../server.ts';
import type { EngineAccess } from './access.ts';

export interface StorageHandlerOptions {
  access: EngineAccess;
  /** Also where the engine can't run for want of it. */
  plan: (bytes: number | undefined) => Promise<Omit<StorageSetUp, 'isUsed' | 'holds' | 'elsewhere'>>;
}

/** By what stands on the data: rows may be lost. */
async function contents(storage: Storage): Promise<string[]> {
  const there = new Set(storage.former?.list() ?? []);
  const own = (await storage.list()).filter(({ id }) => !there.has(id));
  const named = own.map(({ tags: { content } }) =>
    content.kind === 'clone' ? `the clone ${content.clone.name}` : `the snapshot ${content.snapshot.name}`,
  );
  return [...new Set([...named, ...(await storage.foreign())])];
}

export function storageHandlers({
  access: { running, once },
  plan,
}: StorageHandlerOptions): HandlersOf<'storage'> {
  return {
    async storageShow({ query }) {
      const planned = await plan(query.bytes === undefined ? undefined : Number(query.bytes));
      const found = await running().catch(() => undefined); // best effort: what is planned may be what mends it
      const storage = found?.context.storage;
      const used = storage !== undefined && storage.root === planned.mountPoint ? storage : undefined;
      return {
        ...{ ...planned, isUsed: used !== undefined },
        holds: used === undefined ? [] : await contents(used),
        elsewhere: (await found?.services.clones.moving.elsewhere()) ?? [],
      };
    },
    storageMove: ({ body: { kind, object }, caller }) =>
      once(caller, ({ clones }) => clones.moving.request(kind, object, caller)),
  };
}
