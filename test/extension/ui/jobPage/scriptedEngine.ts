/** An engine whose jobs do what a test says: the real routes, event stream and feed, without anything behind them. */
import { rm } from 'node:fs/promises';
import { listen, type Listening } from '../../../../engine/http/listen.ts';
import { createApp, type Handlers } from '../../../../engine/http/server.ts';
import type { Job, JobLine } from '../../../../engine/protocol/entities.ts';
import { fail } from '../../../../engine/protocol/errors.ts';
import { routes } from '../../../../engine/protocol/routes.ts';
import { protocolVersion } from '../../../../engine/protocol/wire.ts';
import { createFeed } from '../../../../engine/jobs/feed.ts';

export const scriptedToken = 'a-token-of-no-value';

export interface ScriptedEngine {
  /** Tells everybody. */
  setJob(job: Job): void;
  /** Adds lines to a job's log and tells everybody. */
  addLines(lines: readonly JobLine[]): void;
  /** Adds lines to a job's log without telling anybody, as if it was long ago. */
  keepLines(lines: readonly JobLine[]): void;
  /** Jobs that somebody asked to cancel. */
  readonly canceled: readonly string[];
  /** Answers what a cancel gives. */
  onCancel: (job: Job) => Job;
  start(): Promise<void>;
  /** Ends it as a crash does; jobs and lines are kept. */
  stop(): Promise<void>;
}

export function createScriptedEngine(socket: string): ScriptedEngine {
  const jobs = new Map<string, Job>();
  const lines = new Map<string, JobLine[]>();
  const canceled: string[] = [];
  let epoch = 0;
  let feed = createFeed('epoch 0');
  let running: { listening: Listening; controller: AbortController } | undefined;
  let onCancel = (job: Job): Job => job;

  const find = (id: string): Job => {
    const job = jobs.get(id);
    if (job === undefined) throw fail('not_found', { kind: 'job', name: id });
    return job;
  };
  const setJob = (job: Job): void => {
    jobs.set(job.id, job);
    feed.publish({ kind: 'job', entity: job });
  };
  const keep = (line: JobLine): void => {
    const log = lines.get(line.job) ?? [];
    log.push(line);
    lines.set(line.job, log);
  };
  const refuse = (name: string) => () => {
    throw fail('not_supported', { feature: name });
  };
  const handlers = {
    ...Object.fromEntries(Object.keys(routes).map((name) => [name, refuse(name)])),
    engineInfo: () => ({
      ...{
        name: 'thin-clones',
        version: '0.0.0',
        protocol: protocolVersion,
        pid: process.pid,
        home: '/',
        uptimeMs: 0,
      },
      ...{ startedAt: new Date().toISOString(), state: 'ready', problem: null, storage: null },
    }),
    overview: () => ({
      ...{
        epoch: feed.epoch,
        seq: feed.seq(),
        hosts: [],
        environments: [],
        snapshots: [],
        clones: [],
        checkouts: [],
      },
      jobs: [...jobs.values()],
    }),
    jobList: () => ({ items: [...jobs.values()] }),
    jobShow: ({ params }: { params: { job: string } }) => find(params.job),
    jobLines: ({ params, query }: { params: { job: string }; query: { after?: number } }) => {
      const after = query.after ?? 0;
      return { items: (lines.get(params.job) ?? []).filter(({ line }) => line > after).slice(0, 5000) };
    },
    jobCancel: ({ params }: { params: { job: string } }) => {
      canceled.push(params.job);
      const job = onCancel(find(params.job));
      setJob(job);
      return job;
    },
  } as unknown as Handlers;

  return {
    setJob,
    addLines(added) {
      for (const line of added) {
        keep(line);
        feed.publish({ kind: 'jobLine', entity: line });
      }
    },
    keepLines: (added) => added.forEach(keep),
    canceled,
    get onCancel() {
      return onCancel;
    },
    set onCancel(value) {
      onCancel = value;
    },
    async start() {
      epoch += 1;
      feed = createFeed(`epoch ${epoch}`);
      const controller = new AbortController();
      const silent = (): void => undefined;
      const app = createApp({
        handlers,
        feed: async () => feed,
        log: { debug: silent, info: silent, warning: silent, error: silent },
        token: scriptedToken,
        version: '0.0.0',
        signal: controller.signal,
      });
      running = { listening: await listen(app, { socket, tcpPort: null }), controller };
    },
    async stop() {
      running?.controller.abort();
      await running?.listening.close();
      running = undefined;
      await rm(socket, { force: true });
    },
  };
}
