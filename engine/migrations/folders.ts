/** Which folders of a checkout hold a tool's migrations: the one that the settings name, else those with files as the tool names them. */
import { posix } from 'node:path';
import type { MigrationSettings } from '../protocol/migrationReport.ts';
import { isWithin, normalFolder, type Tree } from './tree.ts';

/** The folder of a tool that the settings name as well: nothing is searched then. */
export const namedFolder = ({ directory, tool }: MigrationSettings): string | undefined =>
  directory === undefined || tool === undefined ? undefined : normalFolder(directory);

export function foldersWith(
  tree: Tree,
  settings: MigrationSettings,
  isMigration: (path: string) => boolean,
): string[] {
  const named = namedFolder(settings);
  if (named !== undefined) return [named];
  const folders = new Set(tree.paths.filter(isMigration).map((path) => posix.dirname(path)));
  return [...folders].filter((folder) => isWithin(folder, settings.directory));
}
