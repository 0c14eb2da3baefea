/** Whose data a storage holds: an id made once for each home, and its key for sealing secrets. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { installationIdSchema, type InstallationId } from '../protocol/ids.ts';

const fileSchema = z.object({ format: z.literal(1), installation: installationIdSchema });

type Found = InstallationId | undefined;

/** The id in a file; undefined when there is no file, or none that can be read. */
function read(path: string, schema: z.ZodType<{ installation: InstallationId }>): Found {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text)).installation;
  } catch {
    // best effort: a damaged file is as good as none; a storage of another id is refused, never changed
    return undefined;
  }
}

export const hasInstallation = (path: string): boolean => read(path, fileSchema) !== undefined;

/**
 * The id of this home. When its file is gone but the home's own storage is still there, the storage's id is taken
 * up again, so that nothing in it becomes a stranger's. Call as the holder of the engine's lock.
 */
export function loadInstallation(path: string, pool: string, newId: () => string): InstallationId {
  const known = read(path, fileSchema);
  if (known !== undefined) return known;
  const ofPool = read(join(pool, 'thin-clones-pool.json'), z.object({ installation: installationIdSchema }));
  const installation = ofPool ?? installationIdSchema.parse(`inst-${newId()}`);
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, JSON.stringify({ format: 1, installation }), { mode: 0o600, flag: 'wx', flush: true });
  renameSync(fresh, path);
  return installation;
}
