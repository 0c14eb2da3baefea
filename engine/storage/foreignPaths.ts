/** What lies below the root of a directory store and is nobody's of ours: it is told, and never touched. */
import { join } from 'node:path';
import type { MachineFiles } from '../machine/machine.ts';
import type { Layout } from './layout.ts';
import { POOL_FILE, POOL_HOLDER, POOL_LOCK, PROBE_PREFIX, temporaryPattern } from './pool.ts';
import type { Dataset } from './storage.ts';
import { idOf } from './tagFiles.ts';

export async function foreignPaths(
  files: MachineFiles,
  { root, data, tags }: Layout,
  ours: readonly Dataset[],
): Promise<string[]> {
  const known = new Set<string>(ours.map(({ id }) => id));
  const strange: string[] = [];
  for (const { name } of await files.list(root)) {
    const expected = [POOL_FILE, POOL_LOCK, POOL_HOLDER, 'data', 'tags', 'trash', 'lost+found'];
    const passing = temporaryPattern.test(name) || name.startsWith(PROBE_PREFIX);
    if (!expected.includes(name) && !passing) strange.push(join(root, name));
  }
  for (const { name } of await files.list(data)) {
    if (!known.has(name)) strange.push(join(data, name));
  }
  for (const { name } of await files.list(tags)) {
    const id = idOf(name);
    if (!(id && known.has(id)) && !temporaryPattern.test(name)) strange.push(join(tags, name));
  }
  return strange.sort();
}
