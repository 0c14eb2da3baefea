/** A process that works on a store until it is done or killed; started by the tests beside it, with its task as JSON. */
import { join } from 'node:path';
import { createLocalMachine } from '../../../engine/machine/local/localMachine.ts';
import { findServerUser } from '../../../engine/machine/local/serverUser.ts';
import type { StorageDriver } from '../../../engine/protocol/entities.ts';
import { hostNameSchema, installationIdSchema, type DatasetId } from '../../../engine/protocol/ids.ts';
import { chooseStorage } from '../../../engine/storage/choose.ts';
import { newDatasetId, tagsOf } from '../../contract/storage/tags.ts';

export interface ChildTask {
  task: 'round' | 'churn';
  root: string;
  driver: StorageDriver;
  installation: string;
  /** Whom the process becomes for good before it touches anything; who started it may be the only one who can read this file. */
  user?: { uid: number; gid: number };
}

export const FILES = 12;

const { task, root, driver, installation: owner, user } = JSON.parse(process.argv[2] ?? '') as ChildTask;
if (user !== undefined) {
  process.setgroups?.([user.gid]);
  process.setgid?.(user.gid);
  process.setuid?.(user.uid);
}
const installation = installationIdSchema.parse(owner);
const machine = createLocalMachine({
  name: hostNameSchema.parse('local'),
  serverUser: await findServerUser({ environment: process.env }),
  environment: process.env,
});
const storage = await chooseStorage({
  ...{ machine, root, installation, configured: { driver, path: root } },
  holder: { pid: process.pid, user: 'child', home: root, machine: 'here' },
});

async function snapshot(): Promise<DatasetId> {
  const id = newDatasetId();
  const { path } = await storage.create(id, tagsOf(installation, id, 'filling', 'snapshot'));
  for (let number = 0; number < FILES; number += 1) {
    await machine.files.writeAtomic(
      join(path, `file-${number}`),
      `${number}`.repeat(50_000),
      0o600,
      'system',
    );
  }
  await machine.files.giveToServerUser(path);
  await storage.makeReadOnly(id);
  await storage.tag(id, tagsOf(installation, id, 'ready', 'snapshot'));
  return id;
}

async function clone(from: DatasetId): Promise<DatasetId> {
  const id = newDatasetId();
  await storage.clone(from, id, tagsOf(installation, id, 'filling'));
  await storage.tag(id, tagsOf(installation, id, 'ready'));
  return id;
}

if (task === 'round') {
  const from = await snapshot();
  const id = await clone(from);
  await machine.files.writeAtomic(join(storage.path(id), 'file-0'), 'changed');
  const files = (await machine.files.list(storage.path(id))).length;
  const usage = await storage.usage(id);
  await storage.destroy(from);
  await storage.destroy(id);
  await storage.emptyTrash();
  const left = [
    ...(await storage.list()),
    ...(await storage.foreign()),
    ...(await machine.files.list(join(root, 'trash'))),
  ];
  console.log(JSON.stringify({ driver: storage.driver, files, logical: usage.logical, left: left.length }));
} else {
  console.log('started');
  for (;;) {
    const from = await snapshot();
    const clones = await Promise.all([clone(from), clone(from)]);
    for (const id of clones) await storage.destroy(id);
    await Promise.all([storage.emptyTrash(), clone(from)]);
    await storage.destroy(from);
  }
}
