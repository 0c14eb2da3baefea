/** What a client and a running engine say to each other, in one life of an environment: the raw documents of both. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  createClient,
  readEventStream,
  type Client,
  type Transport,
} from '../../../engine/protocol/client.ts';
import type { Job } from '../../../engine/protocol/entities.ts';
import { readDiscovery } from '../../../engine/protocol/node/discovery.ts';
import { createTransport } from '../../../engine/protocol/node/transport.ts';
import type { RouteName } from '../../../engine/protocol/routes.ts';
import { environment, fillWorld, type World } from '../../faults/world.ts';

export interface Said {
  route: RouteName;
  request: { params: object; query: object; body: object };
  status: number;
  answer: unknown;
}

export interface Conversation {
  said: Said[];
  events: { kind: string }[];
}

export async function converse(world: World): Promise<Conversation> {
  await fillWorld(world);
  const discovery = await readDiscovery(world.engine.paths.discovery);
  assert.ok(discovery);
  const transport = createTransport({ socketPath: discovery.socket });
  const said: Said[] = [];
  let last = { status: 0, text: '' };
  const listening: Transport = {
    async request(request) {
      const answer = await transport.request(request);
      last = { status: answer.status, text: answer.text };
      return answer;
    },
    stream: (request) => transport.stream(request),
  };
  const plain = createClient({ transport: listening, user: 'recorder', token: discovery.token });
  const client: Client = {
    ...plain,
    async call(route, input, options) {
      const request = { params: {}, query: {}, body: {}, ...structuredClone(input) };
      try {
        return await plain.call(route, input, options);
      } finally {
        said.push({ route, request, status: last.status, answer: JSON.parse(last.text) });
      }
    },
  };
  const events: Conversation['events'] = [];
  const { epoch } = await client.call('overview', {});
  const leaving = new AbortController();
  const path = `/v1/events?epoch=${epoch}&after=0`;
  const heard = (async () => {
    const headers = { authorization: `Bearer ${discovery.token}` };
    const stream = transport.stream({
      method: 'GET',
      path,
      headers,
      body: undefined,
      signal: leaving.signal,
    });
    for await (const data of readEventStream(stream)) events.push(JSON.parse(data) as { kind: string });
  })();
  // best effort: it is left on purpose
  const left = heard.catch(() => undefined);
  try {
    await live(client, world);
  } finally {
    leaving.abort();
    await left;
    transport.close();
  }
  return { said, events };
}

async function live(client: Client, world: World): Promise<void> {
  const done = async ({ job }: { job: Job }): Promise<Job> => {
    await world.ended(job);
    return client.call('jobShow', { params: { job: job.id } });
  };
  const clone = 'mine';
  const { definition } = await client.call('environmentShow', { params: { environment } });
  await client.call('environmentApply', { params: { name: environment }, body: { definition } });
  const member = definition.members[Object.keys(definition.members)[0] as keyof typeof definition.members];
  assert.ok(member);
  await client.call('sourceTest', { body: { member } });
  await client.call('engineInfo', {});
  await client.call('hostList', {});
  await client.call('hostShow', { params: { host: 'local' } });
  await client.call('hostDoctor', { params: { host: 'local' } });
  await client.call('hostCertificate', { params: { host: 'local' } });
  await done(await client.call('cloneCreate', { body: { environment, name: clone } }));
  await client.call('cloneConnection', { params: { clone } });
  await world.write(clone, 'changed');
  await client.call('cloneChanges', { params: { clone } });
  await client.call('cloneDefinitions', { params: { clone } });
  await client.call('cloneProtect', { params: { clone }, body: { minutes: 'forever' } });
  await done(
    await client.call('cloneCommit', { params: { clone }, body: { message: 'a change', name: 'kept' } }),
  );
  await done(
    await client.call('snapshotEdit', { params: { snapshot: 'kept' }, body: { message: 'The change.' } }),
  );
  await done(await client.call('cloneReset', { params: { clone }, body: { snapshot: 'first' } }));
  await done(await client.call('cloneCopy', { params: { clone }, body: { name: 'copy' } }));
  await done(await client.call('cloneRename', { params: { clone: 'copy' }, body: { name: 'other' } }));
  await done(await client.call('cloneStop', { params: { clone: 'other' } }));
  await client.call('cloneShow', { params: { clone: 'other' } });
  await done(await client.call('cloneStart', { params: { clone: 'other' } }));
  await follow(client, world);
  await client.call('snapshotShow', { params: { snapshot: 'kept' } });
  for (const list of ['environmentList', 'snapshotList', 'cloneList', 'jobList', 'proposalList'] as const)
    await client.call(list, {});
  await client.call('overview', {});
  const refused = client.call('snapshotDelete', { params: { snapshot: 'first' } });
  await assert.rejects(refused, 'a snapshot with clones was deleted');
  await client.call('cloneProtect', { params: { clone }, body: { minutes: null } });
  for (const name of ['other', clone])
    await done(await client.call('cloneDestroy', { params: { clone: name } }));
  const last = await done(await client.call('snapshotDelete', { params: { snapshot: 'kept' } }));
  await client.call('jobLines', { params: { job: last.id } });
  await done(await client.call('environmentDelete', { params: { environment } }));
}

/** A working tree whose ports lead to a clone of its branch. */
async function follow(client: Client, { engine }: World): Promise<void> {
  const folder = join(engine.home, 'tree');
  await mkdir(folder);
  const git = (...args: string[]): Promise<unknown> =>
    promisify(execFile)('git', ['-C', folder, '-c', 'user.name=n', '-c', 'user.email=e', ...args]);
  await git('init', '-q', '-b', 'main');
  await git('commit', '-q', '--allow-empty', '-m', 'first');
  const { id } = await client.call('checkoutOpen', { body: { folder, environment, follow: 'ask' } });
  const params = { checkout: id };
  await client.call('checkoutUse', { params, body: { clone: 'mine' } });
  await client.call('checkoutShow', { params });
  await client.call('checkoutList', {});
  await client.call('checkoutConnection', { params });
  await client.call('checkoutMigrations', { params });
  await client.call('checkoutUnbind', { params });
  await client.call('checkoutForget', { params });
}
