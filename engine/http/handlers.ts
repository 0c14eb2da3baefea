/** What each route does: use cases, found through whatever the engine runs on at the moment. */
import type { Machine } from '../machine/machine.ts';
import type { EngineInfo, Host as HostEntity, Job } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { jobIdSchema, type JobId } from '../protocol/ids.ts';
import type { Caller } from '../services/caller.ts';
import type { ServiceContext } from '../services/context.ts';
import { examineHost, hostCertificate, hostEntity, type Examine } from '../services/upkeep/hosts.ts';
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
  host: () => Machine;
  /** Resolves when the engine has recovered; rejects with the reason when it can't run here. */
  running: () => Promise<Running>;
  examine: readonly Examine[];
  /** `ifIdle`: rejects with `busy` while a job runs. */
  stop: (ifIdle: boolean) => Promise<void>;
  /** Throws `state_full` when the state has room for nothing new. */
  demandRoom?: () => void;
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
  /** For changes that are no jobs and write more than they take away. */
  const growing = async (): Promise<Running> => {
    const found = await trusted();
    dependencies.demandRoom?.();
    return found;
  };
  const hosts = async (): Promise<HostEntity[]> => {
    const machine = dependencies.host();
    try {
      const { context, blocked } = await running();
      return [await hostEntity(machine, context.storage, blocked)];
    } catch (error) {
      return [await hostEntity(machine, undefined, error instanceof Error ? error.message : String(error))];
    }
  };
  const theHost = async (reference: string): Promise<HostEntity> => {
    const all = await hosts();
    const found = all.find(({ name }) => name === (reference as typeof name));
    if (found === undefined)
      throw fail('not_found', { kind: 'host', name: reference, known: all.map(({ name }) => name) });
    return found;
  };
  /** The same key again: the job that it started or joined, also when that has ended and the request would be refused now. */
  const once = async (
    caller: Caller,
    submit: (services: Services) => Job | Promise<Job>,
  ): Promise<{ job: Job }> => {
    const { context, services } = await trusted();
    const { idempotencyKey: key } = caller;
    const repeated = key === undefined ? undefined : context.runner.repeated(key);
    return { job: repeated ?? (await submit(services)) };
  };
  const jobId = (reference: string): JobId => {
    const id = jobIdSchema.safeParse(reference);
    if (!id.success) throw fail('not_found', { kind: 'job', name: reference });
    return id.data;
  };

  return {
    engineInfo: () => info(),
    engineStop: async ({ query }) => {
      await dependencies.stop(query.unless === 'working');
      return { stopping: true };
    },
    engineRebuild: () => dependencies.rebuild(),
    overview: async () => {
      const list = await hosts();
      try {
        const { context, services } = await running();
        return context.catalog.overview(list, services.checkouts.list());
      } catch {
        // best effort: the host entity carries the reason, and everything else waits for it to be mended
        return {
          epoch: 'unusable',
          seq: 0,
          hosts: list,
          environments: [],
          snapshots: [],
          clones: [],
          checkouts: [],
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
    hostCertificate: async ({ params }) => {
      await theHost(params.host);
      return hostCertificate((await running()).context.certificates);
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
      (await growing()).services.environments.apply(params.name, body),
    environmentDelete: ({ params, caller }) =>
      once(caller, ({ environments }) => environments.delete(params.environment, caller)),
    environmentRefresh: ({ params, body, caller }) =>
      once(caller, ({ environments }) => environments.refresh(params.environment, body, caller)),
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
    snapshotEdit: ({ params, body, caller }) =>
      once(caller, ({ environments }) => environments.editSnapshot(params.snapshot, body, caller)),
    snapshotDelete: ({ params, caller }) =>
      once(caller, ({ environments }) => environments.deleteSnapshot(params.snapshot, caller)),

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
    cloneConnection: async ({ params }) => {
      const { context, services } = await running();
      await services.settled(context.catalog.clone(params.clone).id);
      return { items: services.clones.connection(params.clone) };
    },
    cloneChanges: async ({ params, signal }) =>
      (await running()).services.clones.changes(params.clone, signal),
    cloneDefinitions: async ({ params, signal }) => ({
      items: await (await running()).services.clones.definitions(params.clone, signal),
    }),
    cloneCreate: ({ body, caller }) => once(caller, ({ clones }) => clones.create(body, caller)),
    cloneCopy: ({ params, body, caller }) =>
      once(caller, ({ clones }) => clones.copy(params.clone, body, caller)),
    cloneReset: ({ params, body, caller }) =>
      once(caller, ({ clones }) => clones.reset(params.clone, body, caller)),
    cloneStart: ({ params, caller }) => once(caller, ({ clones }) => clones.start(params.clone, caller)),
    cloneStop: ({ params, caller }) => once(caller, ({ clones }) => clones.stop(params.clone, caller)),
    cloneDestroy: ({ params, caller }) => once(caller, ({ clones }) => clones.destroy(params.clone, caller)),
    cloneProtect: async ({ params, body }) =>
      (await growing()).services.clones.protect(params.clone, body.minutes),
    cloneRename: ({ params, body, caller }) =>
      once(caller, ({ clones }) => clones.rename(params.clone, body.name, caller)),
    cloneCommit: ({ params, body, caller }) =>
      once(caller, ({ clones }) => clones.commit(params.clone, body, caller)),

    checkoutList: async () => {
      const { checkouts } = (await running()).services;
      await checkouts.restored();
      return { items: checkouts.list() };
    },
    checkoutOpen: async ({ body, caller }) => (await growing()).services.checkouts.open(body, caller),
    checkoutShow: async ({ params }) => (await running()).services.checkouts.show(params.checkout),
    checkoutForget: async ({ params }) => {
      await (await trusted()).services.checkouts.forget(params.checkout);
      return { forgotten: true };
    },
    checkoutConnection: async ({ params }) => ({
      items: await (await running()).services.checkouts.connection(params.checkout),
    }),
    checkoutUse: async ({ params, body, caller }) =>
      (await growing()).services.checkouts.use(params.checkout, body, caller),
    checkoutUnbind: async ({ params }) => (await trusted()).services.checkouts.unbind(params.checkout),
    checkoutAnswer: async ({ params, body }) =>
      (await growing()).services.checkouts.answer(params.checkout, body),
    checkoutPorts: async ({ params }) => (await trusted()).services.checkouts.exchangePorts(params.checkout),
    checkoutEnvFile: async ({ params, body }) =>
      (await trusted()).services.checkouts.setEnvFile(params.checkout, body),
    checkoutVariable: async ({ params, body }) =>
      (await trusted()).services.checkouts.answerVariable(params.checkout, body),
    checkoutMigrations: async ({ params, signal }) => ({
      items: await (await running()).services.checkouts.migrations(params.checkout, signal),
    }),
    proposalList: async ({ signal }) => ({
      items: await (await running()).services.cleanUp.proposals(signal),
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
