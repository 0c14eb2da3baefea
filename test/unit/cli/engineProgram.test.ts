import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { locateEngineProgram } from '../../../engine/cli/engineProgram.ts';

describe('the engine program', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'thin-clones-program-'))));
  after(() => rm(folder, { recursive: true }));
  const place = (moduleUrl: string) => ({
    moduleUrl,
    execPath: process.execPath,
    canRunEngine: () => true,
    variables: {},
    platform: process.platform,
  });

  it('is the bundle beside the command, with the build that it has', async () => {
    await mkdir(join(folder, 'dist'));
    await writeFile(join(folder, 'dist', 'build.json'), '{"version":"1.2.3","build":"abc"}');
    const url = pathToFileURL(join(folder, 'dist', 'thin-clones.mjs')).href;
    const { file, version, build, execPath } = locateEngineProgram(place(url));
    assert.deepEqual(
      [file, version, build, execPath],
      [join(folder, 'dist', 'engine.mjs'), '1.2.3', 'abc', process.execPath],
    );
  });
  it('is engine/main.ts in development', async () => {
    const { file, build } = locateEngineProgram(
      place(new URL('../../../engine/cli/main.ts', import.meta.url).href),
    );
    assert.match(file, /\/engine\/main\.ts$/);
    assert.equal(build, 'development');
  });
});

describe('a Node without node:sqlite', () => {
  let folder: string;
  const url = () => pathToFileURL(join(folder, 'dist', 'thin-clones.mjs')).href;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thin-clones-program-'));
    await mkdir(join(folder, 'dist'));
    await mkdir(join(folder, 'old'));
    await writeFile(join(folder, 'dist', 'build.json'), '{"version":"1.2.3","build":"abc"}');
    await writeFile(join(folder, 'old', 'node'), '#!/bin/sh\nexit 1\n');
    await chmod(join(folder, 'old', 'node'), 0o755);
  });
  after(() => rm(folder, { recursive: true }));
  const locate = (path: string) =>
    locateEngineProgram({
      moduleUrl: url(),
      execPath: '/old/node',
      canRunEngine: () => false,
      variables: { PATH: path },
      platform: 'linux',
    });

  it('is passed over for the first one on PATH that has it', async () => {
    await mkdir(join(folder, 'new'));
    const newer = join(folder, 'new', 'node');
    await writeFile(newer, '#!/bin/sh\nexit 0\n');
    await chmod(newer, 0o755);
    assert.equal(locate([join(folder, 'old'), join(folder, 'new')].join(':')).execPath, newer);
  });
  it('is told before anything is spawned when there is no other', () => {
    const program = locate(join(folder, 'old'));
    assert.throws(() => program.execPath, { code: 'node_too_old' });
  });
});
