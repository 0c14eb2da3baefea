import assert from 'node:assert/strict';
import { createProcessRuntime } from '../../../engine/runtime/process/processRuntime.ts';
import { retrieveNew } from '../../support/benchWithSource.ts';
import { openPostgresBench, type PostgresBench, type RunningClone } from '../../support/postgresBench.ts';
import { serverTraits } from '../../../engine/database/engines.ts';

describe('a server that does not stop', () => {
  let bench: PostgresBench;
  let golden: { target: string; version: string };
  let clone: RunningClone;
  before(async () => {
    bench = await openPostgresBench();
    golden = await retrieveNew(bench);
  });
  beforeEach(async () => {
    clone = await bench.start(await bench.copy(golden.target), golden.version);
  });
  after(() => bench.close());

  it('is killed with all its children', async () => {
    const runtime = createProcessRuntime({
      machine: bench.machine,
      traits: serverTraits,
      patience: { immediateMs: 50, cleanMs: 50 },
    });
    process.kill(clone.server.pid, 'SIGSTOP');
    await runtime.stop(clone.server, 'clean');
    await clone.stop();
    await bench.checkNothingLeft();
  });

  it('starts again after its postmaster was killed while a query ran on', async () => {
    const session = await clone.connect('postgres');
    // It computes without looking around, so it does not notice that its postmaster is gone.
    const query = session.query(
      "SELECT count(*) FROM generate_series(1, 1000000000) i WHERE md5(i::text) = ''",
    );
    query.catch(() => undefined);
    await bench.machine.processes.signal(clone.server, 'SIGKILL');
    while (await bench.runtime.alive(clone.server)) await new Promise((resolve) => setImmediate(resolve));
    const server = await bench.runtime.start(clone.spec);
    await bench.database.ready(clone.spec, () => bench.runtime.alive(server), undefined);
    await bench.runtime.stop(server, 'immediate');
    await assert.rejects(query);
    await clone.stop();
    await bench.checkNothingLeft();
  });

  it('starts again after a restart of the machine that left pid and socket files', async () => {
    await bench.runtime.stop(clone.server, 'immediate');
    // Its pid now belongs to another process: this one.
    await bench.machine.files.writeAtomic(`${clone.spec.dataDirectory}/postmaster.pid`, `${process.pid}\n`);
    await bench.machine.files.giveToServerUser(`${clone.spec.dataDirectory}/postmaster.pid`);
    const lock = `${clone.spec.socketDirectory}/.s.PGSQL.${String(clone.spec.port)}.lock`;
    await bench.machine.files.writeAtomic(lock, `${process.pid}\n`);
    const server = await bench.runtime.start(clone.spec);
    await bench.database.ready(clone.spec, () => bench.runtime.alive(server), undefined);
    await bench.runtime.stop(server, 'immediate');
    await clone.stop();
    await bench.checkNothingLeft();
  });
});
