import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorDocument, Snapshot } from '../../engine/protocol/entities.ts';
import { makeTestEngine, repository, type TestEngine } from '../support/engine.ts';
import { SOURCE_PASSWORD, startPostgresSource, type PostgresSource } from '../support/postgresSource.ts';
import { skipSuite } from '../support/skips.ts';
import { parsed, startCommand } from './realCommand.ts';

/** util-linux's `script` gives a command a terminal; that of other systems takes other options. */
const hasTerminal = (): boolean => {
  const { status, stdout } = spawnSync('script', ['--version'], { encoding: 'utf8' });
  return status === 0 && stdout.includes('util-linux');
};
const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

describe('the password of a source', () => {
  let source: PostgresSource;
  let engine: TestEngine;
  const cleanups: (() => Promise<void>)[] = [];
  let folder: string;
  before(async function () {
    this.timeout(120_000);
    try {
      source = await startPostgresSource();
    } catch (error) {
      skipSuite(this, error instanceof Error ? error.message : String(error));
    }
    cleanups.push(() => source.remove());
    await source.run('postgres', 'CREATE TABLE orders AS SELECT i AS id FROM generate_series(1, 100) i');
    engine = await makeTestEngine({ variables: { THIN_CLONES_STORAGE_DRIVER: 'copy' } });
    cleanups.push(() => engine.dispose());
    folder = join(engine.home, 'repository');
    await mkdir(folder);
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  const declare = (name: string, more = '') =>
    writeFile(
      join(folder, 'thin-clones.yaml'),
      `version: 1
environments:
  ${name}:
    members:
      orders: { engine: postgres, retrieval: logical, url: "${source.url('postgres')}"${more} }
    clones: { durable: false }
`,
    );
  const run = (argv: string[], variables: Record<string, string> = {}) =>
    startCommand(engine, [...argv, '--json'], { cwd: folder, variables }).finished;
  const refusal = async (argv: string[], variables: Record<string, string> = {}) => {
    const ended = await run(argv, variables);
    return { exit: ended.code, code: parsed<{ error: ErrorDocument }>(ended).error.code };
  };
  /** On a terminal: answers the question for the password when it is there. */
  const atTerminal = async (argv: string[], password: string) => {
    const command = [process.execPath, join(repository, 'engine', 'cli', 'main.ts'), ...argv].map(quote);
    const child = spawn('script', ['-qec', command.join(' '), '/dev/null'], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning', ...engine.variables },
    });
    let shown = '';
    let answered = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
      if (answered || !shown.includes('Password of ')) return;
      answered = true;
      child.stdin.write(`${password}\r`);
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, shown };
  };

  it('comes from the variable that the file names, and from nowhere else', async function () {
    this.timeout(120_000);
    await declare('referred', ', password: { env: TEST_SOURCE_PASSWORD }');
    assert.deepEqual(await refusal(['env', 'apply']), { exit: 1, code: 'source_password_missing' });
    assert.deepEqual(await refusal(['env', 'apply'], { TEST_SOURCE_PASSWORD: 'wrong' }), {
      exit: 1,
      code: 'source_password',
    });
    const right = { TEST_SOURCE_PASSWORD: SOURCE_PASSWORD };
    assert.equal((await run(['env', 'apply'], right)).code, 0);
    assert.deepEqual(await refusal(['env', 'refresh', 'referred']), {
      exit: 1,
      code: 'source_password_missing',
    });
    const ended = await run(['env', 'refresh', 'referred'], right);
    assert.equal(ended.code, 0, ended.stdout);
    assert.equal(parsed<Snapshot>(ended).state, 'ready');
    assert.ok(!ended.stderr.includes(SOURCE_PASSWORD));
  });

  it('is missing where nobody can be asked', async () => {
    await declare('asked');
    assert.deepEqual(await refusal(['env', 'apply']), { exit: 1, code: 'source_password_missing' });
    assert.deepEqual(await refusal(['env', 'show', 'asked']), { exit: 3, code: 'not_found' });
  });

  it('is asked for on a terminal without echo, and remembered when the engine starts again', async function () {
    this.timeout(120_000);
    if (!hasTerminal()) skipSuite(this, 'no `script` of util-linux, which gives a command a terminal');
    await declare('asked');
    const { code, shown } = await atTerminal(['env', 'apply'], SOURCE_PASSWORD);
    assert.equal(code, 0, shown);
    assert.match(shown, /Password of asked\/orders \(postgresql:.*\): \r\nasked: created\r\n$/);
    assert.ok(!shown.includes(SOURCE_PASSWORD.slice(0, 7)), shown);
    await engine.stop();
    const again = await run(['env', 'apply']);
    assert.equal(again.code, 0, again.stdout);
    const refreshed = await run(['env', 'refresh', 'asked']);
    assert.equal(refreshed.code, 0, refreshed.stdout);
  });

  it('is never in the log, the discovery file or the state', async () => {
    const found = spawnSync('grep', ['-rlaF', SOURCE_PASSWORD, engine.paths.engineDirectory], {
      encoding: 'utf8',
    });
    assert.deepEqual([found.status, found.stdout], [1, '']);
  });
});
