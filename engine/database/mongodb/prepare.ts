/** Makes any stopped or crashed data directory one that copies are made of: recovered, without anybody's passwords, checked. */
import type { MongoClient } from 'mongodb';
import { fail } from '../../protocol/errors.ts';
import { forgetSecret, newSecret } from './admin.ts';
import { ADMIN_USER, removeUsers, setPassword } from './users.ts';
import { withPrivateServer, type Workbench } from './workbench.ts';

/** The databases of every server, which hold nobody's data. */
const OWN_DATABASES = new Set(['admin', 'config', 'local']);

export interface PreparedDatabase {
  name: string;
  bytes: number;
}

/** Resolves to the databases that people work with, the largest first. Rejects with `verification_failed`. */
export async function settleData(
  bench: Workbench,
  fill: (client: MongoClient) => Promise<void> = async () => undefined,
): Promise<readonly PreparedDatabase[]> {
  const { machine, target, report } = bench;
  const { flavour } = bench.server;
  await forgetSecret(machine, target);
  report.phase('preparing');
  const found = await withPrivateServer(bench, async (client) => {
    await fill(client);
    await removeUsers(client, flavour);
    await setPassword(client, flavour, { user: ADMIN_USER, password: await newSecret(machine, target) });
    return await listDatabases(client);
  });
  report.phase('checking');
  await withPrivateServer(bench, (client) => verify(client, bench));
  report.progress(1);
  return found;
}

export async function listDatabases(client: MongoClient): Promise<readonly PreparedDatabase[]> {
  const { databases } = await client.db('admin').admin().listDatabases();
  return databases
    .filter(({ name }) => !OWN_DATABASES.has(name))
    .map(({ name, sizeOnDisk }) => ({ name, bytes: sizeOnDisk ?? 0 }))
    .sort((one, other) => other.bytes - one.bytes || one.name.localeCompare(other.name));
}

/** A second server reads what the first one wrote: `validate` looks at every collection. */
async function verify(client: MongoClient, { signal, report }: Workbench): Promise<void> {
  for (const { name } of await listDatabases(client)) {
    const collections = await client.db(name).listCollections({}, { nameOnly: true }).toArray();
    for (const collection of collections) {
      signal.throwIfAborted();
      if (collection.type === 'view') continue;
      const result = await client.db(name).command({ validate: collection.name });
      if (result['valid'] !== true)
        throw fail('verification_failed', {
          problem: `the collection ${name}.${collection.name} is damaged: ${JSON.stringify(result['errors'] ?? [])}`,
        });
    }
    report.line(`Checked ${collections.length} collections of ${name}.`);
  }
}
