/** The files by which an engine is found go away while it runs: it stays the only engine of its home, and can be reached. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from '../../engine/machine/local/lock.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import type { HomePaths } from '../../engine/protocol/node/home.ts';
import { connectEngine } from '../../engine/protocol/node/launch.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import type { FoundProcess } from '../support/processesUnder.ts';

describe('an engine whose files somebody removes', function () {
  this.timeout(120_000);
  let engine: TestEngine;
  beforeEach(async () => {
    engine = await makeTestEngine({ variables: { THIN_CLONES_STORAGE_DRIVER: 'copy' } });
  });
  afterEach(() => engine.dispose());

  const engines = (): FoundProcess[] =>
    engine.processes().filter(({ commandLine }) => commandLine.includes(`${engine.program.file} serve`));
  /** A process that was started because nobody answered ends when it has found the engine. */
  const onlyEngine = async (): Promise<number> => {
    for (;;) {
      const [first, ...others] = engines();
      if (first !== undefined && others.length === 0) return first.pid;
      await sleep(5);
    }
  };

  const names = ['socket', 'discovery', 'lock', 'holder'] as const satisfies readonly (keyof HomePaths)[];
  for (const lost of [...names.map((name) => [name]), names]) {
    it(`is reached again, and stays the only one, without ${lost.join(', ')}`, async () => {
      const { info } = await engine.connect();
      for (const name of lost) await rm(engine.paths[name]);
      for (let round = 0; round < 3; round++) {
        const connection = await engine.connect();
        assert.equal(connection.info.pid, info.pid);
        connection.close();
      }
      assert.equal(await onlyEngine(), info.pid);
      while (!(await engine.log()).includes('was removed or replaced, and made again')) await sleep(5);
      await engine.stop();
      assert.deepEqual(engines(), []);
    });
  }

  it('is reached again when a stranger replaced its discovery file and its socket', async () => {
    const { info } = await engine.connect();
    for (const path of [engine.paths.discovery, engine.paths.socket]) {
      await writeFile(`${path}.theirs`, '{}');
      await rename(`${path}.theirs`, path);
    }
    assert.equal((await engine.connect()).info.pid, info.pid);
  });

  it('ends when its state is removed, and the next one answers', async () => {
    const { info } = await engine.connect();
    await rm(engine.paths.state);
    while (engines().some(({ pid }) => pid === info.pid)) await sleep(5);
    assert.match(await engine.log(), /the state was removed or replaced/);
    assert.notEqual((await engine.connect()).info.pid, info.pid);
  });

  it('leaves its home to the next one when all that it has there is removed', async () => {
    const { info } = await engine.connect();
    // It may write there meanwhile.
    await rm(engine.paths.engineDirectory, { recursive: true, maxRetries: 20, retryDelay: 5 });
    const next = await engine.connect();
    assert.notEqual(next.info.pid, info.pid);
    while (engines().some(({ pid }) => pid === info.pid)) await sleep(5);
    const later = await engine.connect();
    assert.equal(await onlyEngine(), later.info.pid);
  });
});

describe('an engine that starts while another one holds its home', function () {
  this.timeout(120_000);
  let engine: TestEngine;
  beforeEach(async () => {
    engine = await makeTestEngine({ variables: { THIN_CLONES_STORAGE_DRIVER: 'copy' } });
    await mkdir(engine.paths.engineDirectory, { mode: 0o700 });
  });
  afterEach(() => engine.dispose());

  it('is waited for, says whose end it waits for, and answers as soon as that has ended', async () => {
    // It has no discovery file any more and still holds the home, as one that is killed or is undoing its jobs.
    const dying = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
    const ended = once(dying, 'exit');
    const lock = tryLock(engine.paths.lock);
    await writeFile(engine.paths.holder, `${dying.pid ?? 0}\n`);
    const options = { paths: engine.paths, user: 'tester', program: engine.program };
    // Patience for one that does not answer is over at once: what runs on is the patience for the end of the other.
    const connecting = connectEngine({ ...options, startTimeoutMs: 1 });
    const log = () => readFile(engine.paths.log, 'utf8').catch(() => '');
    while (!(await log()).includes(`waits for the end of engine ${dying.pid ?? 0}`)) await sleep(5);
    dying.kill('SIGKILL');
    lock?.release();
    // Who waited with so little patience may be told that it is late; whoever comes next finds the engine.
    await Promise.all([ended, connecting.then((connection) => connection.close()).catch(tooLate)]);
    const connection = await engine.connect();
    assert.match(await log(), new RegExp(`process ${connection.info.pid} has this home now`));
  });

  it('is started again when the one that won was gone before it answered', async () => {
    // What it does at first: as if it had found an engine that answers, which is then killed.
    const program = join(engine.home, 'first.mjs');
    const mark = join(engine.home, 'mark');
    await writeFile(
      program,
      `import { existsSync, writeFileSync } from 'node:fs';
       if (!existsSync(${JSON.stringify(mark)})) { writeFileSync(${JSON.stringify(mark)}, ''); process.exit(0); }
       const { serve } = await import(${JSON.stringify(engine.program.file)});
       await serve();
       process.exit(0);`,
    );
    const connection = await connectEngine({
      paths: engine.paths,
      user: 'tester',
      program: { ...engine.program, file: program },
    });
    connection.close();
  });

  function tooLate(error: unknown): void {
    assert.ok(isFailure(error, 'engine_start_failed'));
    assert.match(error.message, /did not answer in time/);
  }
});
