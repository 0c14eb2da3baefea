import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { build } from 'esbuild';
import type { ErrorDocument, Host } from '../../engine/protocol/entities.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { makeTestEngine, repository, type TestEngine } from '../support/engine.ts';
import { skipSuite } from '../support/skips.ts';

const hasSqlite = (node: string): boolean =>
  spawnSync(node, ['-e', "process.exit(process.getBuiltinModule?.('node:sqlite') ? 0 : 1)"]).status === 0;

describe('the bundled command under a Node without node:sqlite', () => {
  let folder: string;
  let engine: TestEngine;
  let olderNode: string;
  const cleanups: (() => Promise<void>)[] = [];
  before(async function () {
    const found = (process.env.PATH ?? '')
      .split(delimiter)
      .map((each) => join(each, 'node'))
      .find((node) => existsSync(node) && !hasSqlite(node));
    if (found === undefined) skipSuite(this, 'no Node without node:sqlite is on PATH');
    olderNode = found;
    folder = await mkdtemp(join(tmpdir(), 'thin-clones-bundle-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    await build({
      absWorkingDir: repository,
      entryPoints: { engine: 'engine/main.ts', 'thin-clones': 'engine/cli/main.ts' },
      outdir: join(folder, 'dist'),
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node22',
      // As in the build: native add-ons are optional everywhere.
      external: ['pg-native', 'cpu-features', '*.node'],
      define: { __THIN_CLONES_VERSION__: '"9.9.9"' },
      banner: {
        js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
      },
    });
    await writeFile(join(folder, 'dist', 'build.json'), '{"version":"9.9.9","build":"test"}');
    engine = await makeTestEngine({
      variables: { THIN_CLONES_STORAGE_DRIVER: 'copy' },
      program: { file: join(folder, 'dist', 'engine.mjs') },
    });
    cleanups.push(() => engine.dispose());
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  const run = (...argv: string[]) => {
    const { status, stdout } = spawnSync(olderNode, [join(folder, 'dist', 'thin-clones.mjs'), ...argv], {
      encoding: 'utf8',
      env: { ...process.env, ...engine.variables, PATH: '/nowhere' },
    });
    return { status, stdout };
  };

  it('answers what needs no engine', () => {
    assert.deepEqual(run('--version'), { status: 0, stdout: '9.9.9\n' });
  });
  it('says that this Node is too old, and starts nothing', () => {
    const { status, stdout } = run('host', 'list', '--json');
    assert.equal(status, 4);
    assert.equal((JSON.parse(stdout) as { error: ErrorDocument }).error.code, 'node_too_old');
    assert.deepEqual(engine.processes(), []);
  });
  it('starts the engine with the Node of the checkout', async () => {
    await mkdir(join(folder, 'node_modules', '.bin'), { recursive: true });
    await symlink(process.execPath, join(folder, 'node_modules', '.bin', 'node'));
    const { status, stdout } = run('host', 'list', '--json');
    assert.equal(status, 0, stdout);
    assert.equal((JSON.parse(stdout) as { items: Host[] }).items[0]?.name, 'local');
    assert.equal(run('engine', 'stop').status, 0);
  });
  it('is an engine that makes a certificate, by a library that is a file of its own there', async () => {
    const host = { params: { host: referenceSchema.parse('local') } };
    const { certificate } = await (await engine.client()).call('hostCertificate', host);
    assert.equal(new X509Certificate(certificate).ca, true);
    await engine.stop();
  });
});
