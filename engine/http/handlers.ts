/** What each route does: use cases, found through whatever the engine runs on at the moment. */
import type { Host } from '../host/host.ts';
import type { EngineInfo, Host as HostEntity } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { jobIdSchema, type JobId } from '../protocol/ids.ts';
import type { ServiceContext } from '../services/context.ts';
import { examineHost, hostEntity, type Examine } from '../services/hosts.ts';
import type { Services } from '../services/services.ts';
import type { Handlers } from './server.ts';

/** A running engine's insides; `blocked` says why nothing may be changed. */
export interface Running {
  context: ServiceContext;
  services: Services;
  blocked: string | null;
}

export interface HandlerDependencies {
  info: () => EngineInfo;
  host: () => Host;
  /** Resolves when the engine has recovered; rejects with the reason when it can't run here. */
  running: () => Promise<Running>;
  examine: readonly Examine[];
  stop: () => void;
  rebuild: () => Promise<{ snapshots: number; clones: number; keptAs: string | null }>;
}

export function createHandlers(dependencies: HandlerDependencies): Handlers {
  const { info, running } = dependencies;
  /** For changes: refused while the state can't be trusted. */
  const trusted = async (): Promise<Running> => {
    const found = await running();
    if (found.blocked !== null) throw fail('state_blocked', { problem: found.blocked });
    return found;
  };
  const hosts = async (): Promise<HostEntity[]> => {
    const host = dependencies.host();
    try {
      const { context, blocked } = await running();
      return [await hostEntity(host, context.storage, blocked)];
    } catch (error) {
      return [await hostEntity(host, undefined, error instanceof Error ? error.message : String(error))];
    }
  };
  const theHost = async (reference: string): Promise<HostEntity> => {
    const all = await hosts();
    const found = all.find(({ name }) => name === (reference as typeof name));
    if (found === undefined)
      throw fail('not_found', { kind: 'host', name: reference, known: all.map(({ name }) => name) });
    return found;
  };
  const jobId = (reference: string): JobId => {
    const id = jobIdSchema.safeParse(reference);
    if (!id.success) throw fail('not_found', { kind: 'job', name: reference });
    return id.data;
  };

  return {
    engineInfo: () => info(),
    engineStop: () => {
      dependencies.stop();
      return { stopping: true };
    },
    engineRebuild: () => dependencies.rebuild(),
    overview: async () => {
      const list = await hosts();
      try {
        return (await running()).context.catalog.overview(list);
      } catch {
        // best effort: the host entity carries the reason, and everything else waits for it to be mended
        return {
          epoch: 'unusable',
          seq: 0,
          hosts: list,
          environments: [],
          snapshots: [],
          clones: [],
          jobs: [],
        };
      }
    },
    hostList: async () => ({ items: await hosts() }),
    hostShow: ({ params }) => theHost(params.host),
    hostDoctor: async ({ params }) => {
      await theHost(params.host);
      return { items: await examineHost(dependencies.examine) };
    },

    environmentList: async () => {
      const { store, catalog } = (await running()).context;
      return { items: store.environments.list().map((record) => catalog.environmentEntity(record)) };
    },
    environmentShow: async ({ params }) => {
      const { catalog } = (await running()).context;
      return catalog.environmentEntity(catalog.environment(params.environment));
    },
    environmentApply: async ({ params, body }) =>
      (await trusted()).services.environments.apply(params.name, body),
    environmentDelete: async ({ params, caller }) => ({
      job: (await trusted()).services.environments.delete(params.environment, caller),
    }),
    environmentRefresh: async ({ params, body, caller }) => ({
      job: (await trusted()).services.environments.refresh(params.environment, body, caller),
    }),
    sourceTest: async ({ body, signal }) =>
      (await trusted()).services.environments.testSource(body.member, body.password, signal),

    snapshotList: async ({ query }) => {
      const { store, catalog } = (await running()).context;
      const within =
        query.environment === undefined ? undefined : catalog.environment(query.environment).name;
      const records = store.snapshots
        .list()
        .filter(({ environment }) => within === undefined || environment === within);
      return { items: records.map((record) => catalog.snapshotEntity(record)) };
    },
    snapshotShow: async ({ params }) => {
      const { catalog } = (await running()).context;
      return catalog.snapshotEntity(catalog.snapshot(params.snapshot));
    },
    snapshotDelete: async ({ params, caller }) => ({
      job: (await trusted()).services.environments.deleteSnapshot(params.snapshot, caller),
    }),

    cloneList: async ({ query }) => {
      const { store, catalog } = (await running()).context;
      const within =
        query.environment === undefined ? undefined : catalog.environment(query.environment).name;
      const records = store.clones
        .list()
        .filter(({ environment }) => within === undefined || environment === within);
      return { items: records.map((record) => catalog.cloneEntity(record)) };
    },
    cloneShow: async ({ params }) => {
      const { catalog } = (await running()).context;
      return catalog.cloneEntity(catalog.clone(params.clone));
    },
    cloneConnection: async ({ params }) => ({
      items: (await running()).services.clones.connection(params.clone),
    }),
    cloneCreate: async ({ body, caller }) => ({
      job: await (await trusted()).services.clones.create(body, caller),
    }),
    cloneReset: async ({ params, body, caller }) => ({
      job: (await trusted()).services.clones.reset(params.clone, body, caller),
    }),
    cloneStart: async ({ params, caller }) => ({
      job: (await trusted()).services.clones.start(params.clone, caller),
    }),
    cloneDestroy: async ({ params, caller }) => ({
      job: (await trusted()).services.clones.destroy(params.clone, caller),
    }),
    cloneProtect: async ({ params, body }) =>
      (await trusted()).services.clones.protect(params.clone, body.minutes),
    cloneCommit: async ({ params, body, caller }) => ({
      job: (await trusted()).services.clones.commit(params.clone, body, caller),
    }),

    jobList: async ({ query }) => ({ items: (await running()).context.runner.list(query.limit ?? 100) }),
    jobShow: async ({ params }) => {
      const job = (await running()).context.runner.get(jobId(params.job));
      if (job === undefined) throw fail('not_found', { kind: 'job', name: params.job });
      return job;
    },
    jobLines: async ({ params, query }) => {
      const { runner } = (await running()).context;
      const id = jobId(params.job);
      if (runner.get(id) === undefined) throw fail('not_found', { kind: 'job', name: params.job });
      return { items: runner.lines(id, query.after ?? 0) };
    },
    jobCancel: async ({ params }) => (await trusted()).context.runner.cancel(jobId(params.job)),
  };
}
