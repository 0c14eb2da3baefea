/** What every database driver keeps to, shown with data that is one text. */
import assert from 'node:assert/strict';
import type { Database, Login, Retrieved, RetrieveRequest } from '../../../engine/database/database.ts';
import type { ThinClonesError } from '../../../engine/protocol/errors.ts';
import type { DatasetId } from '../../../engine/protocol/ids.ts';
import type { RunningServer, Runtime, ServerSpec } from '../../../engine/runtime/runtime.ts';

export interface DatabaseHarness {
  database: Database;
  runtime: Runtime;
  /** A request for a source that holds this text. */
  sourceWith(text: string): Promise<RetrieveRequest>;
  /** The same with a password that the source does not accept. */
  withWrongPassword(request: RetrieveRequest): RetrieveRequest;
  copy(from: string): Promise<string>;
  newDataset(): DatasetId;
  /** A port that is free now. */
  freePort(): Promise<number>;
  logFile(): string;
  /** Holds the port as a stranger until the returned function is called. */
  takePort(port: number): Promise<() => Promise<void>>;
  read(spec: ServerSpec, retrieved: Retrieved): Promise<string>;
  write(spec: ServerSpec, retrieved: Retrieved, text: string): Promise<void>;
  /** Damages data so that no server starts on it. */
  damage(directory: string): Promise<void>;
  /** Fails when something was left behind. */
  checkNothingLeft(): Promise<void>;
  close(): Promise<void>;
}

const SILENT = { line: () => undefined, progress: () => undefined, phase: () => undefined };
const LOGIN: Login = { user: 'clone', password: 'a password' };

export function databaseContract(name: string, open: () => Promise<DatabaseHarness>): void {
  describe(`the database port: ${name}`, () => {
    let harness: DatabaseHarness;
    let database: Database;
    let runtime: Runtime;
    let golden: Retrieved & { target: string };
    const running: RunningServer[] = [];

    before(async () => {
      harness = await open();
      ({ database, runtime } = harness);
      const request = await harness.sourceWith('as it was');
      const retrieved = await database.retrieve(request, SILENT, new AbortController().signal);
      golden = { ...retrieved, target: request.target };
    });
    afterEach(async () => {
      for (const server of running.splice(0)) await runtime.stop(server, 'immediate');
    });
    after(() => harness.close());

    const specFor = async (directory: string, port?: number): Promise<ServerSpec> =>
      await database.server({
        dataset: harness.newDataset(),
        title: 'feature/a (orders)',
        dataDirectory: directory,
        version: golden.version,
        port: port ?? (await harness.freePort()),
        durable: true,
        logFile: harness.logFile(),
      });
    const launch = async (directory: string, login: Login | undefined = LOGIN) => {
      const spec = await specFor(directory);
      await database.makeStartable(directory);
      const server = await runtime.start(spec);
      running.push(server);
      await database.ready(spec, () => runtime.alive(server), login);
      return { spec, server };
    };
    const code = (expected: string) => (error: ThinClonesError) => {
      assert.equal(error.code, expected, error.message);
      return true;
    };

    it('retrieves data that a server starts on and a login reads', async () => {
      const { spec } = await launch(await harness.copy(golden.target));
      await database.checkLogin(spec, LOGIN, golden.database);
      assert.equal(await harness.read(spec, golden), 'as it was');
    });

    it('keeps changes of one copy from another', async () => {
      const one = await launch(await harness.copy(golden.target));
      const other = await launch(await harness.copy(golden.target));
      await harness.write(one.spec, golden, 'changed');
      assert.equal(await harness.read(one.spec, golden), 'changed');
      assert.equal(await harness.read(other.spec, golden), 'as it was');
    });

    it('refuses another password than the one that was set last', async () => {
      const { spec } = await launch(await harness.copy(golden.target));
      await assert.rejects(
        database.checkLogin(spec, { ...LOGIN, password: 'another' }, golden.database),
        code('server_start_failed'),
      );
    });

    it('keeps data and login over a stop and a start on another port', async () => {
      const directory = await harness.copy(golden.target);
      const first = await launch(directory);
      await harness.write(first.spec, golden, 'kept');
      await runtime.stop(first.server, 'clean');
      const second = await launch(directory);
      await database.checkLogin(second.spec, LOGIN, golden.database);
      assert.equal(await harness.read(second.spec, golden), 'kept');
    });

    it('settles a copy of a crashed server: the changes stay, the password does not work any more', async () => {
      const directory = await harness.copy(golden.target);
      const { spec, server } = await launch(directory);
      await harness.write(spec, golden, 'committed');
      await runtime.stop(server, 'immediate');
      const request = {
        target: directory,
        dataset: harness.newDataset(),
        mark: 'settling',
        version: golden.version,
      };
      await database.settle(request, SILENT, new AbortController().signal);
      const again = await launch(await harness.copy(directory), { user: 'other', password: 'other' });
      assert.equal(await harness.read(again.spec, golden), 'committed');
      await assert.rejects(
        database.checkLogin(again.spec, LOGIN, golden.database),
        code('server_start_failed'),
      );
    });

    it('tells with server_start_failed that a server ended instead of answering', async () => {
      const directory = await harness.copy(golden.target);
      await harness.damage(directory);
      await assert.rejects(launch(directory), code('server_start_failed'));
    });

    it('tells with port_taken that a stranger has the port', async () => {
      const port = await harness.freePort();
      const release = await harness.takePort(port);
      const spec = await specFor(await harness.copy(golden.target), port);
      const server = await runtime.start(spec);
      running.push(server);
      await assert.rejects(
        database.ready(spec, () => runtime.alive(server), LOGIN),
        code('port_taken'),
      );
      await release();
    });

    it('stops waiting when it is aborted', async () => {
      const spec = await specFor(await harness.copy(golden.target));
      await assert.rejects(
        database.ready(spec, async () => true, LOGIN, AbortSignal.abort()),
        { name: 'AbortError' },
      );
    });

    it('counts no connections of its own', async () => {
      const { spec } = await launch(await harness.copy(golden.target));
      assert.equal(await database.connections(spec), 0);
    });

    it('counts what was changed in a copy since its snapshot, and nothing in one that nobody touched', async () => {
      const after = new Date();
      const untouched = await launch(await harness.copy(golden.target));
      const { spec } = await launch(await harness.copy(golden.target));
      const started = { after, before: new Date() };
      await harness.write(spec, golden, 'changed');
      if (database.catalogue === undefined) {
        for (const each of [untouched.spec, spec])
          assert.deepEqual(await database.changes(each, started), {
            counted: 'no',
            tables: [],
            schema: false,
          });
        return;
      }
      assert.deepEqual(await database.changes(untouched.spec, started), {
        ...{ counted: 'all', tables: [], schema: false },
      });
      const { tables, schema } = await database.changes(spec, started);
      assert.deepEqual(
        tables.map(({ name, inserted, updated, deleted }) => ({ name, inserted, updated, deleted })),
        [{ name: 'texts', inserted: 0, updated: 1, deleted: 0 }],
      );
      assert.equal(schema, false);
    });

    it('flushes a running server', async () => {
      const { spec } = await launch(await harness.copy(golden.target));
      await database.flush(spec);
    });

    it('tells by a sign that data changed, and none while nobody writes', async () => {
      const { spec } = await launch(await harness.copy(golden.target));
      await database.flush(spec);
      const before = await database.changeSign(spec.dataDirectory);
      assert.equal(await database.changeSign(spec.dataDirectory), before);
      await harness.write(spec, golden, 'changed');
      await database.flush(spec);
      assert.notEqual(await database.changeSign(spec.dataDirectory), before);
    });

    it('reads rows as text', async () => {
      const { spec } = await launch(await harness.copy(golden.target));
      const statement = {
        text: 'SELECT text FROM public.texts WHERE text = ANY ($1)',
        values: [['as it was']],
      };
      if (database.catalogue === undefined) {
        await assert.rejects(database.read(spec, golden.database, [statement]), code('read_failed'));
        return;
      }
      assert.deepEqual(await database.read(spec, golden.database, [statement, statement]), [
        [{ text: 'as it was' }],
        [{ text: 'as it was' }],
      ]);
    });

    it('tells with read_failed that a server which is gone can not be read', async () => {
      const { spec, server } = await launch(await harness.copy(golden.target));
      await runtime.stop(server, 'clean');
      await assert.rejects(
        database.read(spec, golden.database, [{ text: 'SELECT text FROM public.texts' }]),
        code('read_failed'),
      );
    });

    it('reads nothing after an abort', async () => {
      const { spec } = await launch(await harness.copy(golden.target));
      await assert.rejects(
        database.read(
          spec,
          golden.database,
          [{ text: 'SELECT text FROM public.texts' }],
          AbortSignal.abort(),
        ),
        { name: 'AbortError' },
      );
    });

    it('reports a usable source as ok, with its version', async () => {
      const { definition, password } = await harness.sourceWith('tested');
      const report = await database.testSource(definition, password);
      assert.equal(report.error, null);
      assert.equal(report.ok, true);
      assert.notEqual(report.serverVersion, null);
    });

    it('tells source_password from a test and from a retrieval', async () => {
      const request = harness.withWrongPassword(await harness.sourceWith('secret'));
      const report = await database.testSource(request.definition, request.password);
      assert.equal(report.error?.code, 'source_password');
      await assert.rejects(
        database.retrieve(request, SILENT, new AbortController().signal),
        code('source_password'),
      );
    });

    it('retrieves nothing after an abort', async () => {
      const request = await harness.sourceWith('aborted');
      await assert.rejects(database.retrieve(request, SILENT, AbortSignal.abort()), { name: 'AbortError' });
    });

    it('abandons a running server, and again without an error', async () => {
      const { spec, server } = await launch(await harness.copy(golden.target));
      const dataset = spec.identity as DatasetId;
      await database.abandon('some job', spec.dataDirectory, dataset);
      assert.equal(await runtime.alive(server), false);
      await database.abandon('some job', spec.dataDirectory, dataset);
    });

    it('leaves no process behind', async () => {
      await harness.checkNothingLeft();
    });
  });
}
