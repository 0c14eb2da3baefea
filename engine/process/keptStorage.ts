/**
 * Keeps in the home which storage was chosen, so that whoever starts the engine gets the one that holds the data: VS Code
 * passes its settings to the engines that it starts, and the command line knows nothing of them.
 */
import { readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { storageDriverSchema } from '../protocol/entities.ts';
import { fail, type ThinClonesError } from '../protocol/errors.ts';
import type { HomePaths } from '../protocol/node/home.ts';
import type { Settings } from './settings.ts';

type StorageSettings = Settings['storage'];

/** null: nothing was configured. The home's own folder has no path here, so that a home can be moved. */
const fileSchema = z.object({
  format: z.literal(1),
  driver: storageDriverSchema.nullable(),
  path: z.string().nullable(),
  dataset: z.string().nullable().default(null),
  /** In a pool file that was set up for an ordinary user. */
  setUp: z.boolean().default(false),
});

/** What works, to be kept. */
type WorkingStorage = StorageSettings & { setUp?: boolean };

export interface StorageInUse {
  readonly storage: StorageSettings;
  /** Why the settings can't be followed; the storage is the one with the data. */
  readonly refusal: ThinClonesError | undefined;
}

function readKept(file: string): WorkingStorage | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { driver, path, dataset, setUp } = fileSchema.parse(JSON.parse(text));
    return { driver: driver ?? undefined, path: path ?? undefined, dataset: dataset ?? undefined, setUp };
  } catch {
    // best effort: a damaged file is as good as none; a folder without the storage that should be there is refused
    return undefined;
  }
}

/** The data was kept in a pool file that was set up. */
export const wasSetUp = (file: string): boolean => readKept(file)?.setUp === true;

/** Found without the state, which may be lost: a dataset has a tag. */
function hasTags(root: string): boolean {
  try {
    return readdirSync(join(root, 'tags')).some((name) => name.endsWith('.json'));
  } catch {
    // best effort: no folder, or none that can be read, tells of no data
    return false;
  }
}

function isSameFolder(one: string, other: string): boolean {
  const real = (path: string): string => {
    try {
      return realpathSync(path);
    } catch {
      // best effort: a folder that is not there yet has only its name
      return resolve(path);
    }
  };
  return real(one) === real(other);
}

/**
 * The settings, while nothing is stored; then what is kept, completed by the settings. Settings that name another folder
 * are refused: following them would hide every snapshot and every clone.
 */
export function storageInUse(
  paths: Pick<HomePaths, 'keptStorage' | 'pool' | 'thinPool'>,
  configured: StorageSettings,
  counted: number,
): StorageInUse {
  const kept = readKept(paths.keptStorage);
  const used = kept?.path ?? (kept?.setUp === true ? paths.thinPool : paths.pool);
  if (kept === undefined || (counted === 0 && !hasTags(used))) {
    return { storage: configured, refusal: undefined };
  }
  const asked = configured.path;
  const storage = { driver: configured.driver ?? kept.driver, path: kept.path, dataset: kept.dataset };
  const { dataset } = configured;
  if (dataset !== undefined && dataset !== kept.dataset)
    return { storage, refusal: fail('storage_elsewhere', { asked: dataset, used: kept.dataset ?? used }) };
  const differs = asked !== undefined && !isSameFolder(asked, used);
  return { storage, refusal: differs ? fail('storage_elsewhere', { asked, used }) : undefined };
}

/** Where the storage may be: the folder that is configured, and the one that holds the data. Touches neither. */
export const storageFolders = (
  paths: Pick<HomePaths, 'keptStorage' | 'pool'>,
  configured: StorageSettings,
): string[] => {
  const used = readKept(paths.keptStorage)?.path ?? paths.pool;
  return [...new Set([configured.path ?? used, used])];
};

/** Call when the storage works, and before anything is stored in it, as the holder of the engine's lock. */
export function keepStorage(file: string, { driver, path, dataset, setUp = false }: WorkingStorage): void {
  const absolute = path === undefined ? undefined : resolve(path);
  const kept = readKept(file);
  const isKept =
    kept !== undefined &&
    kept.driver === driver &&
    kept.path === absolute &&
    kept.dataset === dataset &&
    kept.setUp === setUp;
  if (isKept) return;
  const fresh = `${file}.new`;
  rmSync(fresh, { force: true });
  const document = {
    ...{ format: 1, driver: driver ?? null, path: absolute ?? null },
    ...(dataset !== undefined && { dataset }),
    ...(setUp && { setUp }),
  };
  writeFileSync(fresh, JSON.stringify(document), { mode: 0o600, flag: 'wx', flush: true });
  renameSync(fresh, file);
}
