/** Describes one folder of PostgreSQL programs that travels with us, and puts right what an unpacker lost. */
import { chmod, lstat, readFile, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';

/** Written last by whoever makes a tree, so that a tree with this file is complete. */
export const MANIFEST_FILE = 'manifest.json';

/** Raise it when the contents of a tree change for the same packages, so that old trees are made again. */
export const TREE_FORMAT = 1;

/** A path inside the tree, `/` separated; nothing that could lead outside. */
const insidePath = z
  .string()
  .refine((text) => text !== '' && !path.isAbsolute(text) && !text.split(/[\\/]/).includes('..'), {
    error: 'a path that stays inside the tree',
  });

const manifestSchema = z.object({
  format: z.literal(TREE_FORMAT),
  kind: z.enum(['server', 'client']),
  platform: z.string(),
  major: z.number().int(),
  version: z.string(),
  /** Hashes of the packages that it was made from. */
  pins: z.array(z.string()),
  /** Name of a program (without `.exe`) to its path in the tree. */
  programs: z.record(z.string(), insidePath),
  /** Library names that a second name must lead to: dyld knows a library by its file, so a copy would be a second library. */
  links: z.array(z.object({ path: insidePath, target: insidePath })),
  /** That were added to those of PostgreSQL, and what a processor must have for each. */
  extensions: z
    .array(z.object({ name: z.string(), version: z.string(), processor: z.array(z.string()) }))
    .optional(),
});

export type TreeManifest = z.infer<typeof manifestSchema>;

/** The manifest of a tree, or undefined when there is none that this version can use. */
export async function readTreeManifest(directory: string): Promise<TreeManifest | undefined> {
  let text: string;
  try {
    text = await readFile(path.join(directory, MANIFEST_FILE), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (error) {
    // Another version's or a damaged manifest is the same to us as none: the tree is not used.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

/**
 * Gives programs their run bits and libraries their links back. A VSIX is a zip: VS Code and code-server keep
 * modes, plain unpackers may not, and none makes symbolic links.
 */
export async function restoreTree(directory: string, manifest: TreeManifest): Promise<void> {
  if (manifest.platform.startsWith('win32')) return;
  for (const program of Object.values(manifest.programs)) {
    const file = path.join(directory, program);
    const { mode } = await lstat(file);
    if ((mode & 0o111) !== 0o111) await permitFailure(() => chmod(file, mode | 0o755));
  }
  for (const link of manifest.links) {
    const file = path.join(directory, link.path);
    if (await isLink(file)) continue;
    await permitFailure(async () => {
      const fresh = `${file}.${process.pid}.new`;
      await rm(fresh, { force: true });
      await symlink(path.relative(path.dirname(file), path.join(directory, link.target)), fresh);
      await rename(fresh, file);
    });
  }
}

async function permitFailure(change: () => Promise<void>): Promise<void> {
  try {
    await change();
  } catch (error) {
    // best effort: in a read-only installation the version check of locate.ts tells what doesn't run
    if (!isCode(error, 'EROFS', 'EPERM', 'EACCES')) throw error;
  }
}

async function isLink(file: string): Promise<boolean> {
  try {
    return (await lstat(file)).isSymbolicLink();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return isCode(error, 'ENOENT', 'ENOTDIR');
}

export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
