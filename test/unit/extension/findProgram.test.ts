import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findProgram } from '../../../src/engine/findProgram.ts';
import { engineVariables } from '../../../src/engine/locate.ts';

describe('the search for a client program', () => {
  let root: string;
  const program = async (version: string, ...path: string[]): Promise<string> => {
    const file = join(root, ...path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `#!/bin/sh\necho 'psql (PostgreSQL) ${version}'\n`);
    await chmod(file, 0o755);
    return file;
  };
  const search = (changes: object) =>
    findProgram('psql', {
      setting: '',
      searchPath: join(root, 'path'),
      bundled: join(root, 'bundled'),
      platform: 'linux',
      serverMajor: 18,
      ...changes,
    });
  beforeEach(async () => (root = await mkdtemp(join(tmpdir(), 'thin-clones-find-'))));
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('takes the folder of the setting and no other', async () => {
    await program('18.1', 'path', 'psql');
    assert.equal(await search({ setting: join(root, 'mine') }), undefined);
    const mine = await program('15.2', 'mine', 'psql');
    assert.equal(await search({ setting: join(root, 'mine') }), mine);
  });

  it('prefers the program of the machine to the one that travels with us', async () => {
    const own = await program('18.4', 'bundled', 'client-18', 'bin', 'psql');
    await writeFile(join(root, 'bundled', 'client-18', 'manifest.json'), '{"programs":{"psql":"bin/psql"}}');
    assert.equal(await search({}), own);
    const machine = await program('18.1', 'path', 'psql');
    assert.equal(await search({}), machine);
  });

  it('takes an older one of the machine only when none travels with us', async () => {
    const older = await program('15.18 (Debian 15.18-0)', 'path', 'psql');
    assert.equal(await search({}), older);
    assert.equal(await search({ serverMajor: 15 }), older);
    const own = await program('18.4', 'bundled', 'client-18', 'bin', 'psql');
    await writeFile(join(root, 'bundled', 'client-18', 'manifest.json'), '{"programs":{"psql":"bin/psql"}}');
    assert.equal(await search({}), own);
  });

  it('finds nothing where nothing is, or where it may not run', async () => {
    assert.equal(await search({}), undefined);
    const file = await program('18.4', 'bundled', 'client-18', 'bin', 'other');
    await writeFile(join(root, 'bundled', 'client-18', 'manifest.json'), 'not JSON');
    assert.ok(file);
    assert.equal(await search({}), undefined);
  });
});

describe('the environment of the engine', () => {
  it('has only what the settings name', () => {
    const settings = {
      serverDirectory: '',
      clientDirectory: '/opt/pg/bin',
      storageDriver: 'auto',
      storagePath: '',
    };
    assert.deepEqual(engineVariables('/x/programs', settings), {
      THIN_CLONES_BUNDLED_PROGRAMS: '/x/programs',
      THIN_CLONES_CLIENT_PROGRAMS: '/opt/pg/bin',
    });
    assert.equal(
      engineVariables('/x', { ...settings, storageDriver: 'copy', storagePath: '/srv' })
        .THIN_CLONES_STORAGE_DRIVER,
      'copy',
    );
  });
});
