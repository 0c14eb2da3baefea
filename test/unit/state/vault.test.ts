import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadInstallation } from '../../../engine/process/installation.ts';
import { loadKey } from '../../../engine/state/vault.ts';

describe('the key of the vault', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tc-vault-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('keeps one key, to its owner, and puts a file aside that is none', async () => {
    const path = join(folder, 'secrets', 'key');
    const key = loadKey(path);
    assert.ok(key.equals(loadKey(path)));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await writeFile(path, 'short');
    const fresh = loadKey(path);
    assert.ok(!key.equals(fresh));
    assert.equal(await readFile(`${path}.unusable`, 'utf8'), 'short');
  });
});

describe('the installation id', () => {
  let folder: string;
  const id = (letter: string) => letter.repeat(16);
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tc-installation-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is made once, and taken from the storage when its file is lost or damaged', async () => {
    const path = join(folder, 'installation.json');
    const first = loadInstallation(path, folder, () => id('a'));
    assert.equal(
      loadInstallation(path, folder, () => id('b')),
      first,
    );
    await writeFile(join(folder, 'thin-clones-pool.json'), JSON.stringify({ installation: first }));
    for (const damage of [() => rm(path), () => writeFile(path, '{"format":1'), () => writeFile(path, '')]) {
      await damage();
      assert.equal(
        loadInstallation(path, folder, () => id('b')),
        first,
      );
    }
  });
});
