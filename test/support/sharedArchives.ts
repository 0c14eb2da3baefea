/** The archive of the engine that tests bring to hosts: made once for a build, and not by each home again. */
import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { homePaths } from '../../engine/protocol/node/home.ts';

const checkout = join(import.meta.dirname, '..', '..');

/** Before an engine runs in the home. */
export async function shareArchives(home: string): Promise<void> {
  const { platform, getuid } = process;
  const { archives } = homePaths({ platform, uid: getuid?.(), variables: { THIN_CLONES_HOME: home } });
  const shared = join(checkout, '.cache', 'archives');
  await mkdir(shared, { recursive: true });
  await mkdir(dirname(archives), { recursive: true, mode: 0o700 });
  await symlink(shared, archives, 'junction');
}
