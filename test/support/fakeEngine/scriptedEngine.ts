/** A fake engine that a whole extension can be used against: it lives in a home, keeps entities, and plays jobs. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import type { ErrorDocument, Host, Job } from '../../../engine/protocol/entities.ts';
import { hostSchema } from '../../../engine/protocol/entities.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import type { EventBody } from '../../../engine/protocol/events.ts';
import { snapshotIdSchema } from '../../../engine/protocol/ids.ts';
import { homePaths } from '../../../engine/protocol/node/home.ts';
import {
  fakeClone,
  fakeEnvironment,
  fakeInfo,
  fakeJob,
  fakeSnapshot,
  startFakeEngine,
  type Call,
  type FakeEngine,
  type Script,
} from '../../unit/cli/fakeEngine.ts';

export const newId = (kind: string): string =>
  `${kind}-${[...randomBytes(16)].map((byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte % 32]).join('')}`;

export const ago = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();

export const fakeHost = (changes: object = {}): Host =>
  hostSchema.parse({
    name: 'local',
    kind: 'local',
    state: 'ready',
    storage: {
      driver: 'btrfs',
      label: 'btrfs, thin',
      thin: true,
      path: '/srv/thin-clones',
      totalBytes: 100_000_000_000,
      freeBytes: 64_000_000_000,
    },
    problem: null,
    ...changes,
  });

export interface ScriptedEngine {
  readonly fake: FakeEngine;
  /** Puts an entity in and tells everybody; the same id again replaces it. */
  put(event: EventBody): void;
  /** What requests were made, by route. */
  calls(route: Call['route']): Call[];
  /** Jobs end only when told to, e.g. to look at progress; otherwise at once. */
  holdJobs: boolean;
  /** Lets every held job go on to its end; with an error they fail. */
  release(error?: ErrorDocument): void;
  close(): Promise<void>;
}

/** Answers as the engine of `home` until it is closed. Reports a high version, so that no extension replaces it. */
export async function startScriptedEngine(home: string): Promise<ScriptedEngine> {
  const held: ((error: ErrorDocument | undefined) => void)[] = [];
  const script: Script = {};
  const fake = await startFakeEngine(script);
  const { overview } = fake;

  const put = (event: EventBody): void => {
    const replace = <T>(list: T[], same: (item: T) => boolean, entity: T | undefined): void => {
      const index = list.findIndex(same);
      if (index >= 0) list.splice(index, 1);
      if (entity !== undefined) list.unshift(entity);
    };
    switch (event.kind) {
      case 'host':
        replace(overview.hosts, ({ name }) => name === event.entity.name, event.entity);
        break;
      case 'environment':
        replace(overview.environments, ({ name }) => name === event.entity.name, event.entity);
        break;
      case 'environment.removed':
        replace(overview.environments, ({ name }) => name === event.name, undefined);
        break;
      case 'snapshot':
        replace(overview.snapshots, ({ id }) => id === event.entity.id, event.entity);
        break;
      case 'snapshot.removed':
        replace(overview.snapshots, ({ id }) => id === event.id, undefined);
        break;
      case 'clone':
        replace(overview.clones, ({ id }) => id === event.entity.id, event.entity);
        break;
      case 'clone.removed':
        replace(overview.clones, ({ id }) => id === event.id, undefined);
        break;
      case 'checkout':
        replace(overview.checkouts, ({ id }) => id === event.entity.id, event.entity);
        break;
      case 'checkout.removed':
        replace(overview.checkouts, ({ id }) => id === event.id, undefined);
        break;
      case 'job':
        replace(overview.jobs, ({ id }) => id === event.entity.id, event.entity);
        break;
      case 'job.removed':
      case 'jobLine':
      case 'resync':
        break;
    }
    fake.emit(event);
    overview.seq++;
  };

  const cloneOf = (call: Call) => {
    const found = overview.clones.find(
      ({ id, name }) => id === call.params.clone || name === call.params.clone,
    );
    if (found === undefined) throw fail('not_found', { kind: 'clone', name: call.params.clone ?? '' });
    return found;
  };
  const environmentOf = (name: unknown) => {
    const found = overview.environments.find((environment) => environment.name === name);
    if (found === undefined) throw fail('not_found', { kind: 'environment', name: String(name) });
    return found;
  };

  /** Announces the job as running, and ends it after `finish` has put what it makes. */
  const play = (changes: object, finish: () => void, undo?: () => void): { job: Job } => {
    const now = new Date().toISOString();
    const job = fakeJob({ id: newId('job'), createdAt: now, startedAt: now, progress: 0.4, ...changes });
    put({ kind: 'job', entity: job });
    const end = (error: ErrorDocument | undefined): void => {
      if (overview.jobs.find(({ id }) => id === job.id)?.state === 'cancelled') return;
      if (error === undefined) finish();
      else undo?.();
      const state = error === undefined ? 'succeeded' : 'failed';
      const endedAt = new Date().toISOString();
      put({
        kind: 'job',
        entity: { ...job, state, progress: 1, endedAt, error: error ?? null, cancellable: false },
      });
    };
    if (engine.holdJobs) held.push(end);
    else setImmediate(() => end(undefined));
    return { job };
  };

  const create = (
    wanted: unknown,
    from: { readonly environment: string; readonly snapshot: string | null },
  ): { job: Job } => {
    const id = newId('clone');
    const name = typeof wanted === 'string' ? wanted : 'clone-1';
    if (overview.clones.some((clone) => clone.name === name))
      throw fail('name_taken', { kind: 'clone', name });
    const clone = fakeClone({
      ...{ id, name, ...from },
      state: 'creating',
      createdAt: new Date().toISOString(),
      bytes: { unshared: 0, logical: 842_000_000 },
    });
    put({ kind: 'clone', entity: clone });
    return play(
      { type: 'clone.create', title: `Create clone ${name}`, object: { kind: 'clone', id, name } },
      () => put({ kind: 'clone', entity: { ...clone, state: 'ready' } }),
    );
  };

  Object.assign(script, {
    engineInfo: () => ({ ...fakeInfo, version: '99.0.0', pid: process.pid, home }),
    environmentApply: ({ params, body }) => {
      const name = params.name ?? '';
      const exists = overview.environments.some((environment) => environment.name === name);
      const environment = fakeEnvironment({
        name,
        definition: body.definition,
        latestSnapshot: null,
        createdAt: new Date().toISOString(),
      });
      put({ kind: 'environment', entity: environment });
      return { environment, outcome: exists ? 'changed' : 'created' };
    },
    environmentRefresh: ({ params }) => {
      const environment = environmentOf(params.environment);
      const { name } = environment;
      const id = newId('snapshot');
      const now = new Date().toISOString();
      const made = { id, name: `snapshot-${id.slice(-4)}`, environment: name, createdAt: now };
      // As the real one: from its beginning the job is about the snapshot that it makes.
      put({ kind: 'snapshot', entity: fakeSnapshot({ ...made, state: 'creating', dataStateAt: null }) });
      return play(
        {
          type: 'environment.refresh',
          title: `Refresh environment ${name}`,
          environment: name,
          object: { kind: 'snapshot', id, name: made.name },
          tasks: [
            {
              ...{ name: 'Retrieve orders', state: 'running', progress: 0.5, phase: 'restoring' },
              ...{ startedAt: now, endedAt: null },
            },
          ],
        },
        () => {
          put({ kind: 'snapshot', entity: fakeSnapshot({ ...made, dataStateAt: now }) });
          put({ kind: 'environment', entity: fakeEnvironment({ ...environment, latestSnapshot: id }) });
        },
        () => put({ kind: 'snapshot.removed', id: snapshotIdSchema.parse(id) }),
      );
    },
    environmentDelete: ({ params }) => {
      const { name } = environmentOf(params.environment);
      return play(
        {
          type: 'environment.delete',
          title: `Delete ${name}`,
          object: { kind: 'environment', id: name, name },
        },
        () => put({ kind: 'environment.removed', name }),
      );
    },
    cloneCreate: ({ body }) => {
      const { name: environment, latestSnapshot } = environmentOf(body.environment);
      return create(body.name, { environment, snapshot: latestSnapshot });
    },
    cloneCopy: (call) => {
      const { environment, snapshot } = cloneOf(call);
      return create(call.body.name, { environment, snapshot });
    },
    cloneRename: (call) => {
      const clone = cloneOf(call);
      const { id, name } = clone;
      return play(
        { type: 'clone.rename', title: `Rename clone ${name}`, object: { kind: 'clone', id, name } },
        () => put({ kind: 'clone', entity: fakeClone({ ...clone, ...call.body }) }),
      );
    },
    snapshotEdit: ({ params, body }) => {
      const found = overview.snapshots.find(({ id }) => id === params.snapshot);
      if (found === undefined) throw fail('not_found', { kind: 'snapshot', name: params.snapshot ?? '' });
      const { id, name } = found;
      return play(
        { type: 'snapshot.edit', title: `Edit snapshot ${name}`, object: { kind: 'snapshot', id, name } },
        () => put({ kind: 'snapshot', entity: fakeSnapshot({ ...found, ...body }) }),
      );
    },
    cloneReset: (call) => {
      const clone = cloneOf(call);
      const { id, name } = clone;
      put({ kind: 'clone', entity: { ...clone, state: 'resetting' } });
      return play(
        { type: 'clone.reset', title: `Reset clone ${name}`, object: { kind: 'clone', id, name } },
        () =>
          put({
            kind: 'clone',
            entity: {
              ...clone,
              state: 'ready',
              resetAt: new Date().toISOString(),
              bytes: { ...clone.bytes, unshared: 400_000 },
            },
          }),
      );
    },
    cloneDestroy: (call) => {
      const clone = cloneOf(call);
      const { id, name } = clone;
      if (clone.protectedUntil !== null) {
        throw fail('clone_protected', { clone: name, until: clone.protectedUntil });
      }
      put({ kind: 'clone', entity: { ...clone, state: 'destroying' } });
      return play(
        { type: 'clone.destroy', title: `Destroy clone ${name}`, object: { kind: 'clone', id, name } },
        () => put({ kind: 'clone.removed', id }),
      );
    },
    cloneProtect: (call) => {
      const { minutes } = call.body;
      const until = typeof minutes === 'number' ? ago(-minutes) : minutes === 'forever' ? 'forever' : null;
      const clone = fakeClone({ ...cloneOf(call), protectedUntil: until });
      put({ kind: 'clone', entity: clone });
      return clone;
    },
    jobCancel: ({ params }) => {
      const job = overview.jobs.find(({ id }) => id === params.job);
      if (job === undefined) throw fail('not_found', { kind: 'job', name: params.job ?? '' });
      const canceled: Job = {
        ...job,
        state: 'cancelled',
        endedAt: new Date().toISOString(),
        cancellable: false,
      };
      put({ kind: 'job', entity: canceled });
      return canceled;
    },
    hostCertificate: () => ({
      path: '/home/you/.local/share/thin-clones/tls/authority.crt',
      certificate: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      validUntil: '2036-11-20T03:00:00.000Z',
    }),
    hostDoctor: () => ({
      items: [
        { name: 'storage', status: 'ok', message: 'btrfs at /srv/thin-clones', fix: null },
        {
          name: 'client programs',
          status: 'problem',
          message: 'pg_dump was not found.',
          fix: 'sudo apt install postgresql-client',
        },
      ],
    }),
  } satisfies Script);

  const paths = homePaths({
    platform: process.platform,
    uid: process.getuid?.(),
    variables: { ...process.env, THIN_CLONES_HOME: home },
  });
  const { discovery } = await fake.connect();
  await mkdir(paths.engineDirectory, { recursive: true });
  await writeFile(paths.discovery, JSON.stringify({ ...discovery, version: '99.0.0' }), { mode: 0o600 });

  const engine: ScriptedEngine = {
    fake,
    put,
    calls: (route) => fake.calls.filter((call) => call.route === route),
    holdJobs: false,
    release(error) {
      for (const end of held.splice(0)) end(error);
    },
    async close() {
      await rm(paths.discovery, { force: true });
      await fake.close();
    },
  };
  return engine;
}

/** What a team has after a week: two environments, snapshots of several days, clones in every state. */
export function furnish(engine: ScriptedEngine): void {
  engine.put({ kind: 'host', entity: fakeHost() });
  const snapshots = [
    { minutes: 180, name: 'refresh-2026-11-21' },
    { minutes: 60 * 27, name: 'refresh-2026-11-20' },
  ].map(({ minutes, name }) =>
    fakeSnapshot({ id: newId('snapshot'), name, createdAt: ago(minutes), dataStateAt: ago(minutes) }),
  );
  const latest = snapshots[0];
  const shop = fakeEnvironment({ latestSnapshot: latest?.id ?? null });
  const billing = fakeEnvironment({ name: 'billing', latestSnapshot: null });
  engine.put({ kind: 'environment', entity: shop });
  engine.put({ kind: 'environment', entity: billing });
  for (const entity of snapshots) engine.put({ kind: 'snapshot', entity });
  const kept = { name: 'orders-migrated', origin: 'commit', message: 'orders migrated to the new schema' };
  engine.put({
    kind: 'snapshot',
    entity: fakeSnapshot({ id: newId('snapshot'), createdAt: ago(90), dataStateAt: ago(90), ...kept }),
  });
  const clone = (minutes: number, name: string, changes: object): void =>
    engine.put({
      kind: 'clone',
      entity: fakeClone({
        id: newId('clone'),
        name,
        snapshot: latest?.id,
        createdAt: ago(minutes),
        ...changes,
      }),
    });
  clone(5, 'feature/login', {
    branch: 'feature/login',
    bytes: { unshared: 1_200_000, logical: 842_000_000 },
  });
  clone(60, 'load-test', {
    protectedUntil: ago(-60 * 24 * 3),
    bytes: { unshared: 91_000_000, logical: 842_000_000 },
  });
  clone(60 * 30, 'old-report', { state: 'stopped', problem: 'Its server was stopped.' });
  clone(60 * 49, 'experiment', { state: 'failed', problem: 'The server ended with signal SIGKILL.' });
}
