/** A database whose data is one text in one file, for unit tests of services: it behaves as the port says, at once. */
import { posix } from 'node:path';
import * as z from 'zod';
import type { Machine } from '../../machine/machine.ts';
import type { MemberDefinition } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { withFaults, type CallOf, type Faults } from '../../machine/fake/faults.ts';
import type { Runtime, ServerSpec } from '../../runtime/runtime.ts';
import type { Database, Login, Row, Statement } from '../database.ts';
import { postgresCatalogue } from '../postgres/catalogue.ts';
import { postgresSource } from '../postgres/source.ts';

const dataSchema = z.object({
  version: z.string(),
  text: z.string(),
  /** The text in the snapshot. */
  before: z.string(),
  /** User to password; null: may not log in. */
  logins: z.record(z.string(), z.string().nullable()),
  /** False after a crash: `retrieve` and `settle` leave true. */
  clean: z.boolean(),
});
type Data = z.infer<typeof dataSchema>;

export interface FakeDatabase extends Database {
  readonly faults: Faults<CallOf<Database>>;
  /** The source's text by URL, dump path or directory; what is not here is refused as `source_refused`. */
  readonly sources: Map<string, { text: string; password?: string; at?: Date }>;
  /** What a client reads and writes, in a data directory. */
  readText(dataDirectory: string): Promise<string>;
  writeText(dataDirectory: string, text: string): Promise<void>;
  isClean(dataDirectory: string): Promise<boolean>;
  /** Client connections by identity, for idle clones. */
  readonly connectionCounts: Map<string, number>;
  /** Ports held by strangers: `ready` tells `port_taken`. */
  readonly takenPorts: Set<number>;
  /** What `read` answers to a statement in a database; without one, the one text as a row. */
  answer: ((statement: Statement, database: string, text: string) => readonly Row[]) | undefined;
  /** While set, `retrieve` waits for it: for tests of cancelling. */
  hold: Promise<void> | undefined;
}

export interface FakeDatabaseOptions {
  machine: Machine;
  runtime: Runtime;
  /** Which server a spec stands for. Default 18. */
  version?: string;
  now?: () => Date;
}

/** What stands in the file of a server that runs: someone who reads it while it runs gets a copy after a crash. */
export function createFakeDatabase(options: FakeDatabaseOptions): FakeDatabase {
  const { machine, runtime, version = '18', now = () => new Date(0) } = options;
  const sources: FakeDatabase['sources'] = new Map();
  const connectionCounts = new Map<string, number>();
  const takenPorts = new Set<number>();

  const fileOf = (directory: string): string => posix.join(directory, 'data.json');
  const read = async (directory: string): Promise<Data> => {
    const text = await machine.files.read(fileOf(directory));
    if (text === undefined)
      throw fail('server_start_failed', { server: directory, problem: 'it holds no data.' });
    return dataSchema.parse(JSON.parse(text));
  };
  const write = (directory: string, data: Data): Promise<void> =>
    machine.files.writeAtomic(fileOf(directory), JSON.stringify(data));
  const requireRunning = async (spec: ServerSpec): Promise<void> => {
    if ((await runtime.find(spec)) === undefined) {
      throw fail('server_start_failed', { server: spec.title, problem: 'it does not run.' });
    }
  };
  const keyOf = (definition: MemberDefinition): string =>
    definition.url ?? definition.dump ?? definition.directory ?? '';
  const sourceOf = (definition: MemberDefinition, password: string | undefined) => {
    const source = sources.get(keyOf(definition));
    if (source === undefined) throw fail('source_refused', { host: keyOf(definition), port: 5432 });
    if (source.password !== undefined && source.password !== password) {
      throw fail('source_password', { user: 'reader', host: keyOf(definition) });
    }
    return source;
  };

  const port: Database = {
    engine: 'postgres',
    catalogue: postgresCatalogue,
    source: postgresSource,

    async testSource(definition, password, signal) {
      signal?.throwIfAborted();
      const nothing = { databases: [], tables: [], warnings: [] };
      try {
        const { text } = sourceOf(definition, password);
        const tables = [{ schema: 'public', name: 'text', bytes: text.length, rows: 1 }];
        return { ok: true, error: null, serverVersion: version, ...nothing, tables };
      } catch (error) {
        if (!(error instanceof Error) || !('document' in error)) throw error;
        const document = (error as ReturnType<typeof fail>).document;
        return { ok: false, error: document, serverVersion: null, ...nothing };
      }
    },

    async retrieve({ definition, password, target }, report, signal) {
      signal.throwIfAborted();
      const source = sourceOf(definition, password);
      report.phase('reading the source');
      report.line('Reading the source.');
      report.progress(0.5);
      if (fake.hold !== undefined) await Promise.race([fake.hold, aborted(signal)]);
      signal.throwIfAborted();
      await write(target, {
        version,
        text: source.text,
        before: source.text,
        logins: { production: null },
        clean: true,
      });
      report.progress(1);
      return { version, database: definition.database ?? 'app', dataStateAt: source.at ?? now() };
    },

    async abandon(_mark, dataDirectory, dataset) {
      const running = await runtime.find({ identity: dataset, dataDirectory });
      if (running !== undefined) await runtime.stop(running, 'immediate');
    },

    async settle({ target, dataset }, report, signal) {
      signal.throwIfAborted();
      if ((await runtime.find({ identity: dataset, dataDirectory: target })) !== undefined) {
        throw fail('verification_failed', { problem: 'a server runs on the data.' });
      }
      const data = await read(target);
      const logins = Object.fromEntries(Object.keys(data.logins).map((user) => [user, null]));
      await write(target, { ...data, before: data.text, logins, clean: true });
      report.progress(1);
    },

    async flush(spec) {
      await requireRunning(spec);
    },

    async reload(spec) {
      await requireRunning(spec);
    },

    async server(server) {
      return {
        identity: server.dataset,
        title: server.title,
        program: 'fake',
        args: ['-D', server.dataDirectory, '-c', `cluster_name=${server.dataset}`],
        env: {},
        dataDirectory: server.dataDirectory,
        socketDirectory: `/sockets/${server.dataset}`,
        port: server.port,
        logFile: server.logFile,
      };
    },

    async changeSign(dataDirectory) {
      return (await machine.files.read(fileOf(dataDirectory))) ?? '';
    },

    async makeStartable(dataDirectory) {
      await read(dataDirectory);
    },

    async ready(spec, isAlive, login, signal) {
      signal?.throwIfAborted();
      if (spec.port !== null && takenPorts.has(spec.port)) throw fail('port_taken', { port: spec.port });
      if (!(await isAlive())) {
        const lines = await runtime.logTail(spec, 5);
        if (spec.port !== null && lines.some((line) => line.includes('could not bind')))
          throw fail('port_taken', { port: spec.port });
        throw fail('server_start_failed', { server: spec.title, problem: lines.join(' ') || 'it ended.' });
      }
      const data = await read(spec.dataDirectory);
      const logins = login === undefined ? data.logins : { ...data.logins, [login.user]: login.password };
      await write(spec.dataDirectory, { ...data, logins, clean: false });
    },

    async checkLogin(spec, login: Login) {
      await requireRunning(spec);
      const { logins } = await read(spec.dataDirectory);
      if (spec.port === null || logins[login.user] !== login.password) {
        throw fail('server_start_failed', {
          server: spec.title,
          problem: `password authentication failed for user "${login.user}"`,
        });
      }
    },

    async connections(spec) {
      await requireRunning(spec);
      return connectionCounts.get(spec.identity) ?? 0;
    },

    async changes(spec, _started, signal) {
      signal?.throwIfAborted();
      await requireRunning(spec);
      const { text, before } = await read(spec.dataDirectory);
      const table = { database: 'app', schema: 'public', name: 'texts', inserted: 0, updated: 1, deleted: 0 };
      return { counted: 'all', tables: text === before ? [] : [table], schema: false };
    },

    async read(spec, name, statements, signal) {
      signal?.throwIfAborted();
      if ((await runtime.find(spec)) === undefined)
        throw fail('read_failed', { server: spec.title, database: name, problem: 'it does not run.' });
      const { text } = await read(spec.dataDirectory);
      return statements.map((statement) => fake.answer?.(statement, name, text) ?? [{ text }]);
    },

    async definitions(spec, name, signal) {
      signal?.throwIfAborted();
      if ((await runtime.find(spec)) === undefined)
        throw fail('read_failed', { server: spec.title, database: name, problem: 'it does not run.' });
      return 'CREATE TABLE texts (text text);\n';
    },
  };

  const faulty = withFaults(port, (method) =>
    fail('internal', { problem: `fault ordered by the test (database.${method})` }),
  );
  const fake: FakeDatabase = {
    ...faulty,
    sources,
    connectionCounts,
    takenPorts,
    answer: undefined,
    hold: undefined,
    readText: async (directory) => (await read(directory)).text,
    async writeText(directory, text) {
      await write(directory, { ...(await read(directory)), text });
    },
    isClean: async (directory) => (await read(directory)).clean,
  };
  return fake;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
