/** Finds the folder of the programs that travel with us, in an installed extension and in a checkout. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { bundledPlaces } from '../../../../protocol/node/bundledPlaces.ts';
import { isMissing, readTreeManifest } from './bundledTree.ts';

/** Undefined when there are no programs, which is no error: the machine may have its own. */
export async function findBundledDirectory(
  codeDirectory: string,
  machine: { readonly platform: string; readonly arch: string },
): Promise<string | undefined> {
  for (const candidate of bundledPlaces(codeDirectory, machine)) {
    if (await hasTree(candidate)) return candidate;
  }
  return undefined;
}

async function hasTree(directory: string): Promise<boolean> {
  let names: readonly string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  for (const name of names) {
    if ((await readTreeManifest(path.join(directory, name))) !== undefined) return true;
  }
  return false;
}
