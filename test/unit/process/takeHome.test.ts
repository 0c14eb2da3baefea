/** One engine for each home: what a second one finds, whatever names were removed meanwhile. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryLock } from '../../../engine/machine/local/lock.ts';
import { takeHome, type TakeOptions } from '../../../engine/process/takeHome.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { openState, type OpenedState } from '../../../engine/state/openState.ts';
import { openStore } from '../../../engine/state/sqliteStore.ts';
import { StateHeld } from '../../../engine/state/unusable.ts';

describe('taking a home', () => {
  let home: string;
  let paths: TakeOptions<OpenedState>['paths'] & { state: string };
  let clock = 0;
  let told: string[];
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'tc-take-'));
    const file = (name: string) => join(home, name);
    paths = { home, lock: file('engine.lock'), holder: file('engine.pid'), state: file('state.db') };
    clock = 0;
    told = [];
  });
  afterEach(() => rm(home, { recursive: true }));

  const take = (options: Partial<TakeOptions<OpenedState>> = {}) =>
    takeHome({
      ...{ paths, openState: () => openState(paths.state) },
      ...{ anotherAnswers: () => Promise.resolve(false), now: () => clock },
      pause: (ms) => {
        clock += ms;
        return Promise.resolve();
      },
      tell: (text) => told.push(text),
      ...options,
    });

  it('says who has it', async () => {
    const taken = await take();
    assert.ok(taken !== undefined);
    assert.equal(await readFile(paths.holder, 'utf8'), `${process.pid}\n`);
    assert.deepEqual(told, []);
    taken.store.close();
    taken.lock.release();
  });

  it('waits for a holder that still dies, however long that takes, and says so', async () => {
    const dying = tryLock(paths.lock);
    await writeFile(paths.holder, '4242\n');
    const taken = await take({
      pause(ms) {
        clock += ms;
        if (clock > 30_000) dying?.release();
        return Promise.resolve();
      },
    });
    assert.ok(taken !== undefined);
    assert.ok(clock > 30_000);
    assert.match(told[0] ?? '', /waits for the end of engine 4242/);
    assert.match(told[1] ?? '', new RegExp(`process ${process.pid} has this home now`));
    assert.equal(told.length, 2);
    taken.store.close();
    taken.lock.release();
  });

  it('gives up on a holder that hangs with its number, and not as if it was not needed', async () => {
    const hanging = tryLock(paths.lock);
    await writeFile(paths.holder, '4242\n');
    await assert.rejects(take(), (error) => {
      assert.ok(isFailure(error, 'engine_unreachable'));
      assert.match(error.message, /engine 4242 holds .* does not answer and does not end/);
      return true;
    });
    assert.match(told.at(-1) ?? '', /engine 4242 holds/);
    hanging?.release();
  });

  it('is not needed where another one answers', async () => {
    const holder = tryLock(paths.lock);
    assert.equal(await take({ anotherAnswers: () => Promise.resolve(true) }), undefined);
    holder?.release();
  });

  describe('of another process', () => {
    let holder: ChildProcess;
    beforeEach(async () => {
      const modules = ['process/takeHome.ts', 'state/openState.ts'].map(
        (name) => new URL(`../../../engine/${name}`, import.meta.url).href,
      );
      const program = `
        const { takeHome } = await import(${JSON.stringify(modules[0])});
        const { openState } = await import(${JSON.stringify(modules[1])});
        const paths = ${JSON.stringify(paths)};
        const never = () => Promise.resolve(false);
        globalThis.taken = await takeHome({
          paths, openState: () => openState(paths.state), anotherAnswers: never,
          now: () => 0, pause: () => {}, tell: () => {},
        });
        console.log('taken');
        setInterval(() => {}, 1e6);`;
      holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      assert.ok(holder.stdout !== null);
      await once(holder.stdout, 'data');
    });
    afterEach(async () => {
      if (holder.exitCode !== null || holder.signalCode !== null) return;
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
    });

    for (const [title, names] of [
      ['nothing', []],
      ['the lock', ['lock']],
      ['the lock and who holds it', ['lock', 'holder']],
    ] as const) {
      it(`does not succeed while that runs when somebody removed ${title}, and does when it is killed`, async () => {
        for (const name of names) await rm(paths[name]);
        await assert.rejects(take(), (error) => isFailure(error, 'engine_unreachable'));
        assert.throws(() => openStore(paths.state), StateHeld);
        const ended = once(holder, 'exit');
        holder.kill('SIGKILL');
        await ended;
        const taken = await take();
        assert.ok(taken !== undefined);
        assert.equal(taken.blocked, null);
        taken.store.close();
        taken.lock.release();
        assert.ok(existsSync(paths.lock));
      });
    }
  });
});
