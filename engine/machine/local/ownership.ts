/** Hands trees over to the user that database servers run as, and takes them back, without following what that user puts there. */
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { noFollow, nonBlocking } from '../../protocol/node/regularFile.ts';
import type { Machine } from '../machine.ts';
import { stdoutOf } from './commands.ts';
import { assertOneFile } from './fileFacts.ts';
import { giveTree, openDirectory } from './treeFiles.ts';

type Owners = Pick<Machine, 'serverUser' | 'platform' | 'run'>;

export async function takeFromServerUser(path: string, { serverUser, platform }: Owners): Promise<void> {
  if (!serverUser || platform === 'win32') return;
  const directory = await openDirectory(path);
  try {
    await directory.chown(process.geteuid?.() ?? 0, process.getegid?.() ?? 0);
    await directory.chmod(0o700);
  } finally {
    await directory.close();
  }
  const [left] = await readdir(path);
  if (left !== undefined) throw new Error(`${path} is not empty: somebody put ${left} there`);
}

export async function giveToServerUser(path: string, { serverUser, platform, run }: Owners): Promise<void> {
  if (!serverUser || platform === 'win32') return;
  const handle = await open(path, constants.O_RDONLY | noFollow | nonBlocking);
  try {
    const found = await handle.stat();
    if (!found.isDirectory()) {
      assertOneFile(path, found);
      await handle.chown(serverUser.uid, serverUser.gid);
      return;
    }
    if (platform === 'linux') {
      await giveTree(handle, serverUser);
      return;
    }
  } finally {
    await handle.close();
  }
  await run({
    program: 'chown',
    args: ['-RhP', `${serverUser.uid}:${serverUser.gid}`, '--', path],
    env: { LC_ALL: 'C' },
    parse: stdoutOf(`chown ${path}`),
  });
}
