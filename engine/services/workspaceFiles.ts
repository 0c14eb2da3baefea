/** The port to the files of a working tree that the engine reads and writes: thin-clones.yaml, and a file with variables. */
import type { Workspace } from '../protocol/workspace.ts';

export interface WorkspaceFiles {
  /** `problem`: why the file can't be used, for people. A tree without the file has neither. */
  read(tree: string): Promise<{ workspace: Workspace | undefined; problem: string | null }>;
  /**
   * Puts the variables into the marked block of a file (path relative to the tree), or takes the block out when they
   * are null. Every other byte stays. Errors: `env_file_failed`.
   */
  writeBlock(
    tree: string,
    file: string,
    variables: Readonly<Record<string, string>> | null,
  ): Promise<'written' | 'unchanged'>;
}
