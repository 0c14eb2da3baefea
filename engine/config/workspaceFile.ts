/** Reads the `workspace:` section from the thin-clones.yaml at the top of a working tree. */
import { join } from 'node:path';
import { toFailure } from '../protocol/errors.ts';
import { readRegularFile, UnfitFileError } from '../protocol/node/regularFile.ts';
import type { Workspace } from '../protocol/workspace.ts';
import { parseWorkspace } from './configFile.ts';

export interface ReadWorkspace {
  workspace: Workspace | undefined;
  /** For people; several lines when the file has several problems. */
  problem: string | null;
}

/** The first that is there is read. */
const names = ['thin-clones.yaml', 'thin-clones.yml'];
/** It is read at every move of HEAD, and while it is parsed, which takes up to 10 us a byte, everybody else waits. */
const largest = 100_000;

const isMissing = (error: unknown): boolean => {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
};

function wordsFor(error: unknown): string {
  if (!(error instanceof UnfitFileError) || error.code === 'TOO_SLOW')
    return `can't be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
  if (error.code === 'OUTSIDE') return 'is a symbolic link that leads out of the working tree';
  return error.code === 'TOO_LARGE' ? error.problem : 'is no regular file';
}

/** Null: there is none. */
async function readText(tree: string, name: string): Promise<{ text: string } | { problem: string } | null> {
  let bytes: Buffer;
  try {
    // Whoever wrote the repository decides where its symbolic links lead: never to other files of this machine.
    bytes = await readRegularFile(join(tree, name), { links: 'followed', within: tree, maxBytes: largest });
  } catch (error) {
    if (isMissing(error)) return null;
    return { problem: `${name} ${wordsFor(error)}` };
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    // converted: the only error that a decoder has
    return { problem: `${name} is no UTF-8 text` };
  }
}

/** A working tree without the file, or whose file has no such section, has neither a workspace nor a problem. */
export async function readWorkspace(tree: string): Promise<ReadWorkspace> {
  for (const name of names) {
    const found = await readText(tree, name);
    if (found === null) continue;
    if ('problem' in found) return { workspace: undefined, problem: found.problem };
    try {
      return { workspace: parseWorkspace({ text: found.text, name }), problem: null };
    } catch (error) {
      const { problems } = toFailure(error).document.details;
      return {
        workspace: undefined,
        problem: Array.isArray(problems) ? problems.join('\n') : toFailure(error).message,
      };
    }
  }
  return { workspace: undefined, problem: null };
}
