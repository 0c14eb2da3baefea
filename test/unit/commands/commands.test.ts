import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { percentile, resultOf } from '../../bench/results.ts';
import { watchLeftovers } from '../../support/commands/leftovers.ts';
import { parseSpecText } from '../../support/commands/results.ts';
import { runSuite } from '../../support/commands/runSuite.ts';
import { isExcused, type Suite } from '../../support/commands/suites.ts';

const run = promisify(execFile);
const checkout = join(import.meta.dirname, '..', '..', '..');

describe('the test command', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-commands-'));
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** A suite of one mocha file, run as the test command runs suites. */
  const outcomeOf = async (source: string, kind: 'mocha' | 'check' = 'mocha') => {
    const file = join(folder, 'example.test.mjs');
    await writeFile(file, source);
    const mocha = [
      join(checkout, 'node_modules', 'mocha', 'bin', 'mocha.js'),
      ...['--no-config', '--reporter', join(checkout, 'test', 'support', 'reporter.mjs'), file],
    ];
    const suite: Suite = {
      name: 'example',
      about: '',
      needs: [],
      timeoutMinutes: 1,
      steps: [{ title: 'example', kind, args: kind === 'mocha' ? mocha : [file] }],
    };
    return await runSuite(suite, 0, {
      checkout,
      temporary: join(folder, 'temporary'),
      logs: join(folder, 'logs'),
      signal: new AbortController().signal,
      grep: undefined,
      graceMs: 200,
    });
  };

  it('counts what passed, failed and was skipped', async () => {
    const outcome = await outcomeOf(`
      it('one', () => {});
      it('two', () => { throw new Error('two is wrong'); });
      it('three', function () { this.skip(); });
    `);
    assert.equal(outcome.passed, 1);
    assert.deepEqual(
      outcome.failures.map(({ title }) => title),
      ['two'],
    );
    assert.match(outcome.failures[0]?.error ?? '', /two is wrong/);
    assert.deepEqual(outcome.skipped, [{ what: 'three', reason: 'no reason was given' }]);
  });

  it('names what it leaves to a long run, which leaves nothing', async () => {
    const long = join(checkout, 'test', 'support', 'long.ts');
    const source = `
      import { oldestAndNewest } from ${JSON.stringify(long)};
      for (const major of oldestAndNewest([13, 14, 15, 18], 'dumps')) it(String(major), () => {});
    `;
    const before = process.env['THIN_CLONES_THOROUGH'];
    try {
      delete process.env['THIN_CLONES_THOROUGH'];
      const short = await outcomeOf(source);
      assert.deepEqual([short.passed, short.left], [2, ['dumps of PostgreSQL 14, 15']]);
      process.env['THIN_CLONES_THOROUGH'] = '1';
      const whole = await outcomeOf(source);
      assert.deepEqual([whole.passed, whole.left], [4, []]);
    } finally {
      if (before === undefined) delete process.env['THIN_CLONES_THOROUGH'];
      else process.env['THIN_CLONES_THOROUGH'] = before;
    }
  });

  it('fails a suite that executed no test', async () => {
    const outcome = await outcomeOf('');
    assert.match(outcome.failures[0]?.title ?? '', /executed no test/);
  });

  it('fails a suite that crashed before it could count', async () => {
    const outcome = await outcomeOf("it('one', () => process.exit(7));");
    assert.match(outcome.failures[0]?.title ?? '', /exit code 7 and no results/);
  });

  it('takes exit code 3 for "cannot run here", with the reason', async () => {
    const outcome = await outcomeOf("console.error('Cannot run here: no moon'); process.exit(3);", 'check');
    assert.equal(outcome.unavailable, 'no moon');
    assert.equal(outcome.failures.length, 0);
  });

  it('fails three failing tests, whose number is the exit code of mocha', async () => {
    const failing = ['one', 'two', 'three'].map((name) => `it('${name}', () => { throw new Error('no'); });`);
    const outcome = await outcomeOf(failing.join('\n'));
    assert.equal(outcome.unavailable, undefined);
    assert.equal(outcome.failures.length, 3);
  });

  it('fails a suite that left a process or a file behind, and removes them', async function () {
    if (process.platform !== 'linux') return this.skip();
    const outcome = await outcomeOf(`
      import { spawn } from 'node:child_process';
      import { mkdtempSync } from 'node:fs';
      import { tmpdir } from 'node:os';
      it('leaves things', () => {
        mkdtempSync(tmpdir() + '/left-');
        spawn('sleep', ['60123'], { detached: true, stdio: 'ignore' }).unref();
      });
    `);
    assert.equal(outcome.passed, 1);
    const [failure] = outcome.failures;
    assert.match(failure?.error ?? '', /process \d+ still runs: sleep 60123/);
    assert.match(failure?.error ?? '', /left-\w+ was not removed/);
    const again = await watchLeftovers(join(folder, 'temporary', '0'), 200);
    assert.deepEqual(await again.find(), []);
    const { stdout } = await run('ps', ['-A', '-o', 'args=']);
    assert.doesNotMatch(stdout, /^sleep 60123$/m);
  }).timeout(30_000);

  it('sees a process by its working directory alone', async function () {
    if (process.platform !== 'linux') return this.skip();
    const leftovers = await watchLeftovers(join(folder, 'watched'), 200);
    const inside = join(folder, 'watched', 'inside');
    await mkdir(inside);
    const child = spawn('sleep', ['60124'], { cwd: inside, env: {}, stdio: 'ignore' });
    try {
      assert.match((await leftovers.find()).join('\n'), /still runs: sleep 60124/);
    } finally {
      child.kill('SIGKILL');
      await leftovers.clear();
    }
  });

  it('excuses the desktop build that has no download, and nothing else', () => {
    assert.ok(isExcused('desktop', 'the desktop VS Code cannot be downloaded: no such host'));
    assert.ok(!isExcused('desktop', 'no display'));
    assert.ok(!isExcused('hosts', 'btrfs-progs cannot be downloaded'));
  });

  it("reads mocha's own text where there is nothing else", () => {
    const text = [
      '  side bar',
      '    ✔ opens',
      '',
      '  3 passing (2s)',
      '  1 pending',
      '  1 failing',
      '',
      '  1) side bar',
      '       closes:',
      '     Error: it stays open',
    ].join('\n');
    const counts = parseSpecText(text);
    assert.equal(counts?.passed, 3);
    assert.equal(counts.pending.length, 1);
    assert.deepEqual(
      counts.failures.map(({ title }) => title),
      ['side bar closes'],
    );
    assert.equal(parseSpecText('Segmentation fault'), undefined);
  });
});

describe('the benchmark', () => {
  it('takes percentiles by nearest rank', () => {
    const values = Array.from({ length: 20 }, (_, index) => 20 - index);
    assert.equal(percentile(values, 0.5), 10);
    assert.equal(percentile(values, 0.95), 19);
    assert.equal(percentile([7], 0.95), 7);
  });

  it('meets a goal by its median', () => {
    const { met, goal, floor, n } = resultOf({ name: 'a', values: [99, 100, 500], goal: 100, floor: 40 });
    assert.deepEqual({ met, goal, floor, n }, { met: true, goal: 100, floor: 40, n: 3 });
    assert.equal(resultOf({ name: 'a', values: [101], goal: 100 }).met, false);
    assert.equal(resultOf({ name: 'a', values: [101] }).met, null);
  });
});
