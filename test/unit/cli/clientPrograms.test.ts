import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { findClientPrograms, type ClientProgram } from '../../../engine/cli/clientPrograms.ts';

describe('client programs for what exec runs', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-client-programs-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const put = async (path: string, text: string, mode = 0o755): Promise<void> => {
    const file = join(folder, path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, text);
    await chmod(file, mode);
  };
  const tree = async (name: string, manifest: object, ...programs: string[]): Promise<void> => {
    await put(`dist/programs/${name}/manifest.json`, JSON.stringify(manifest), 0o644);
    for (const program of programs) await put(`dist/programs/${name}/${program}`, 'ours');
  };
  const client = (major: number) => ({
    ...{ kind: 'client', major },
    programs: { pg_dump: 'bin/pg_dump', psql: 'psql/bin/psql', pgbench: 'bin/pgbench' },
  });
  const ours = (path: string): string => join(folder, 'dist', 'programs', 'client-18', path);
  const find = (...searchPath: string[]): Promise<readonly ClientProgram[]> =>
    findClientPrograms({
      ...{ codeDirectory: join(folder, 'dist'), platform: 'linux', arch: 'x64', cwd: folder },
      clientScript: { name: 'chooser', versions: join(folder, 'versions') },
      variables: { PATH: searchPath.join(delimiter) },
    });
  const machineOf = async (...searchPath: string[]) => {
    await tree('client-18', client(18), 'bin/pg_dump', 'psql/bin/psql');
    return (await find(...searchPath)).map(({ machine }) => machine);
  };

  it('are those of the newest complete tree of client programs', async () => {
    await tree('client-17', client(17), 'bin/pg_dump', 'psql/bin/psql');
    await tree('client-18', client(18), 'bin/pg_dump', 'psql/bin/psql');
    await tree('postgres-19', { kind: 'server', major: 19, programs: { pg_dump: 'x' } }, 'x');
    await put('dist/programs/client-20/manifest.json', 'half a manifest');
    assert.deepEqual(await find(), [
      { folder: ours('bin'), major: 18, machine: 'none' },
      { folder: ours('psql/bin'), major: 18, machine: 'none' },
    ]);
  });

  it('are none where none travel with us, or they do not run', async () => {
    assert.deepEqual(await find(), []);
    await tree('client-18', client(18), 'psql/bin/psql');
    await put('dist/programs/client-18/bin/pg_dump', 'ours', 0o644);
    assert.deepEqual(
      (await find()).map((each) => each.folder),
      [ours('psql/bin')],
    );
  });

  it('are compared with the first ones on the search path that run, by what stands in them', async () => {
    const binary = (name: string, version: string) => `\x7fELF\0\0${name} (PostgreSQL) ${version}\0\0more`;
    await put('one/pg_dump', binary('pg_dump', '12.1'), 0o644);
    await put('two/pg_dump', binary('pg_dump', '16.4 (Debian 16.4-1.pgdg120+1)'));
    await put('three/pg_dump', binary('pg_dump', '17.0'));
    await put('three/psql', binary('psql', '9.6.24'));
    assert.deepEqual(await machineOf('', join(folder, 'one'), 'two', join(folder, 'three')), [16, 9]);
  });

  it('are compared with what a script says, whatever stands in it', async () => {
    const script = (said: string) => `#!/bin/sh\n# pg_dump (PostgreSQL) 12.1\nprintf '%s\\n' "${said}"\n`;
    await put('bin/pg_dump', script('pg_dump (PostgreSQL) 17.2 (Debian 17.2-1)'));
    await put('bin/psql', script('Nothing is installed.'));
    assert.deepEqual(await machineOf(join(folder, 'bin')), [17, 'unknown']);
  });

  it('are compared with the newest ones of those that the script of Debian runs, without a process', async () => {
    await put('share/chooser', `#!/bin/sh\ntouch '${join(folder, 'ran')}'\n`);
    await mkdir(join(folder, 'bin'));
    for (const name of ['pg_dump', 'psql']) await symlink('../share/chooser', join(folder, 'bin', name));
    assert.deepEqual(await machineOf(join(folder, 'bin')), ['unknown', 'unknown']);
    for (const path of ['9.6/bin/pg_dump', '9.6/bin/psql', '15/bin/pg_dump', '17/bin/other'])
      await put(`versions/${path}`, 'a program');
    assert.deepEqual(await machineOf(join(folder, 'bin')), [15, 9]);
    assert.equal(existsSync(join(folder, 'ran')), false);
  });

  it('are compared with nothing that can not be read or run', async () => {
    await put('bin/psql', 'no program at all');
    await mkdir(join(folder, 'bin', 'pg_dump'));
    assert.deepEqual(await machineOf(join(folder, 'bin')), ['none', 'unknown']);
  });
});
