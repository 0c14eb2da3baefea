/** What the job page needs of an engine, and how a session gives it. */
import type { ErrorDocument, Job, JobLine } from '../../engine/protocol/entities.ts';
import { fail } from '../../engine/protocol/errors.ts';
import type { Client } from '../../engine/protocol/client.ts';
import type { Event } from '../../engine/protocol/events.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import type { Subscribe } from '../engine/emitter.ts';
import type { EngineSession, SessionState } from '../engine/session.ts';

export type FeedConnection =
  | { readonly kind: 'connected' }
  | { readonly kind: 'connecting' }
  /** `problem`: why, when it is known. */
  | { readonly kind: 'disconnected'; readonly problem: ErrorDocument | null };

export type JobEvent = Extract<Event, { kind: 'job' | 'job.removed' | 'jobLine' | 'resync' }>;

export interface JobFeed {
  readonly connection: FeedConnection;
  readonly onDidChangeConnection: Subscribe<FeedConnection>;
  /** Connects, and starts an engine when none runs: only for what the user does. Rejects with an error of the table. */
  connect(): Promise<void>;
  /** Rejects with `not_found`, and with `engine_unreachable` while not connected: it never starts an engine. */
  job(id: string, signal?: AbortSignal): Promise<Job>;
  /** Lines above `after`, rising, at most 5000; none when there are none yet. Never starts an engine. */
  lines(id: string, after: number, signal?: AbortSignal): Promise<readonly JobLine[]>;
  /** Asks for the end of a job; answers what it is then. Never starts an engine. */
  cancel(id: string): Promise<Job>;
  /** Events about any job, in order. After `resync` some may have been missed. */
  readonly onEvent: Subscribe<JobEvent>;
}

const connectionOf = (state: SessionState): FeedConnection => {
  switch (state.kind) {
    case 'connected':
      return { kind: 'connected' };
    case 'starting':
      return { kind: 'connecting' };
    case 'failed':
      return { kind: 'disconnected', problem: state.error };
    case 'idle':
    case 'stopped':
      return { kind: 'disconnected', problem: null };
  }
};

export function createJobFeed(
  session: Pick<EngineSession, 'state' | 'onDidChangeState' | 'onEvent' | 'connect'>,
): JobFeed {
  const client = async (signal?: AbortSignal): Promise<Client> => {
    if (session.state.kind !== 'connected')
      throw fail('engine_unreachable', { problem: 'it is not connected' });
    return await session.connect(signal);
  };
  const params = (id: string) => ({ job: referenceSchema.parse(id) });
  return {
    get connection() {
      return connectionOf(session.state);
    },
    onDidChangeConnection: (listener) => session.onDidChangeState((state) => listener(connectionOf(state))),
    async connect() {
      await session.connect();
    },
    job: async (id, signal) => (await client(signal)).call('jobShow', { params: params(id) }, { signal }),
    async lines(id, after, signal) {
      const input = { params: params(id), query: { after } };
      return (await (await client(signal)).call('jobLines', input, { signal })).items;
    },
    cancel: async (id) => (await client()).call('jobCancel', { params: params(id) }),
    onEvent: (listener) =>
      session.onEvent((event) => {
        switch (event.kind) {
          case 'job':
          case 'job.removed':
          case 'jobLine':
          case 'resync':
            listener(event);
            break;
          default:
        }
      }),
  };
}
