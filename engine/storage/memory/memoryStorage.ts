/** A store in memory for unit tests of services: the real tagged store over a fake host's files, with faults to order. */
import { join } from 'node:path';
import { createFakeMachine } from '../../machine/fake/fakeMachine.ts';
import type { Machine } from '../../machine/machine.ts';
import { fail } from '../../protocol/errors.ts';
import { hostNameSchema, type InstallationId } from '../../protocol/ids.ts';
import type { Storage } from '../storage.ts';
import { openTaggedStore } from '../taggedStore.ts';
import type { TreeDriver } from '../treeDriver.ts';

export type StorageCall = {
  [Name in keyof Storage]: Storage[Name] extends (...args: never[]) => Promise<unknown> ? Name : never;
}[keyof Storage];

export interface StorageFault {
  /** Counts calls of this method, or of all methods when it is left out. */
  method?: StorageCall;
  /** 1 is the next one. */
  nth?: number;
  /** `after`: the effect happens and the caller never hears of it, as when the engine is killed. Default `before`. */
  when?: 'before' | 'after';
  /** Default: `storage_failed`. */
  error?: Error;
}

export interface StorageFaults {
  /** Every call so far. */
  readonly calls: StorageCall[];
  fail(fault: StorageFault): void;
  clear(): void;
}

export interface MemoryStorageOptions {
  installation: InstallationId;
  /** Give the same one again to open the store again, as after a restart of the engine. Its files must be in memory. */
  machine?: Machine;
  root?: string;
  capabilities?: Partial<Storage['capabilities']>;
  now?: () => Date;
}

export async function createMemoryStorage(
  options: MemoryStorageOptions,
): Promise<Storage & { faults: StorageFaults }> {
  const { installation, root = '/storage', capabilities, now = () => new Date(0) } = options;
  const machine = options.machine ?? createFakeMachine({ name: hostNameSchema.parse('local') });
  const driver = createMemoryDriver(machine, capabilities);
  const storage = await openTaggedStore({ machine, root, installation, driver, now });
  const { faults, strike } = createFaults(root);
  const wrapped = { ...storage, faults } as Storage & { faults: StorageFaults } & Record<string, unknown>;
  for (const [name, method] of Object.entries(storage)) {
    if (typeof method !== 'function' || name === 'path') continue;
    const call = method as (...args: unknown[]) => Promise<unknown>;
    wrapped[name] = async (...args: unknown[]) => {
      const fault = strike(name as StorageCall);
      if (fault?.when === 'before') throw fault.error;
      const value = await call(...args);
      if (fault) throw fault.error;
      return value;
    };
  }
  return wrapped;
}

export function createMemoryDriver(
  machine: Machine,
  capabilities: Partial<Storage['capabilities']> = {},
): TreeDriver {
  const { files } = machine;
  const copy = async (from: string, to: string): Promise<void> => {
    await files.makeDirectory(to, { mode: (await files.stat(from))?.mode ?? 0o700 });
    for (const { name, kind } of await files.list(from)) {
      if (kind === 'directory') await copy(join(from, name), join(to, name));
      else {
        const mode = (await files.stat(join(from, name)))?.mode;
        await files.writeAtomic(join(to, name), (await files.read(join(from, name))) ?? '', mode);
      }
    }
  };
  const size = async (path: string): Promise<number> => {
    let total = 0;
    for (const { name, kind } of await files.list(path)) {
      const child = join(path, name);
      total += kind === 'directory' ? await size(child) : ((await files.stat(child))?.bytes ?? 0);
    }
    return total;
  };
  return {
    driver: 'memory',
    label: 'memory',
    capabilities: { thin: true, live: true, ...capabilities },
    lazyTags: false,
    makeTree: (path) => files.makeDirectory(path, { mode: 0o700, serverUser: true }),
    async copyTree(from, to, { signal, onProgress }) {
      await copy(from, to);
      signal?.throwIfAborted();
      onProgress?.(1);
    },
    dropTree: (path) => files.remove(path),
    makeReadOnly: async () => undefined,
    makeWritable: async () => undefined,
    usage: async (path) => ({ logical: await size(path), unshared: null }),
  };
}

function createFaults(root: string) {
  const calls: StorageCall[] = [];
  let planned: (Required<Omit<StorageFault, 'method'>> & { method: StorageCall | undefined })[] = [];
  const faults: StorageFaults = {
    calls,
    fail({ method, nth = 1, when = 'before', error }) {
      const problem = `fault ordered by the test (${method ?? 'any call'})`;
      planned.push({ method, nth, when, error: error ?? fail('storage_failed', { storage: root, problem }) });
    },
    clear() {
      planned = [];
    },
  };
  const strike = (name: StorageCall) => {
    calls.push(name);
    for (const fault of planned) {
      if (fault.method !== undefined && fault.method !== name) continue;
      fault.nth -= 1;
      if (fault.nth > 0) continue;
      planned = planned.filter((other) => other !== fault);
      return fault;
    }
    return undefined;
  };
  return { faults, strike };
}
