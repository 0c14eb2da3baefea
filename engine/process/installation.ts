/** Whose data a storage holds: an id made once for each home, and its key for sealing secrets. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { installationIdSchema, type InstallationId } from '../protocol/ids.ts';

const fileSchema = z.object({ format: z.literal(1), installation: installationIdSchema });

function read(path: string): InstallationId | undefined {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).installation;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The id of this home. When its file is gone but the home's own storage is still there, the storage's id is taken
 * up again, so that nothing in it becomes a stranger's.
 */
export function loadInstallation(path: string, pool: string, newId: () => string): InstallationId {
  const known = read(path) ?? readPool(pool);
  const installation = known ?? installationIdSchema.parse(`inst-${newId()}`);
  if (read(path) === undefined) {
    writeFileSync(path, JSON.stringify({ format: 1, installation }), { mode: 0o600, flush: true });
  }
  return installation;
}

function readPool(pool: string): InstallationId | undefined {
  try {
    const document: unknown = JSON.parse(readFileSync(join(pool, 'thin-clones-pool.json'), 'utf8'));
    return z.object({ installation: installationIdSchema }).parse(document).installation;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
