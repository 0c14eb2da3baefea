/** The file of users that containers get: initdb asks for the name of whoever runs it, and images know only users of their own. */
import path from 'node:path';
import type { Machine } from '../../machine/machine.ts';
import type { DataOwner } from './containerSettings.ts';

/** Everybody may read it. Idempotent. */
export async function makeOwnerFile(
  { files }: Pick<Machine, 'files'>,
  folder: string,
  { name, uid, gid }: DataOwner,
): Promise<string> {
  const file = path.join(folder, `passwd-${uid}-${gid}`);
  const text = `root:x:0:0:root:/:/sbin/nologin\n${name}:x:${uid}:${gid}::/:/sbin/nologin\n`;
  if ((await files.read(file)) === text) return file;
  await files.makeDirectory(folder, { mode: 0o755 });
  await files.writeAtomic(file, text, 0o644);
  return file;
}
