import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { findBundledDirectory } from '../../../engine/database/postgres/programs/local/bundledDirectory.ts';
import { MANIFEST_FILE, TREE_FORMAT } from '../../../engine/database/postgres/programs/local/bundledTree.ts';

const machine = { platform: 'linux', arch: 'x64' };

describe('findBundledDirectory', () => {
  let root: string;

  const addTree = async (directory: string, format: number = TREE_FORMAT): Promise<void> => {
    const tree = path.join(root, directory, 'postgres-18.4');
    await mkdir(tree, { recursive: true });
    const manifest = {
      ...{ format, kind: 'server', platform: 'linux-x64', major: 18, version: '18.4' },
      ...{ pins: [], programs: { postgres: 'bin/postgres' }, links: [] },
    };
    await writeFile(path.join(tree, MANIFEST_FILE), JSON.stringify(manifest));
  };

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'thin-clones-bundled-'));
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  it('finds them beside the bundle, from the bundle and from its chunks', async () => {
    await addTree('dist/programs');
    const expected = path.join(root, 'dist', 'programs');
    assert.equal(await findBundledDirectory(path.join(root, 'dist'), machine), expected);
    assert.equal(await findBundledDirectory(path.join(root, 'dist', 'engine-chunks'), machine), expected);
  });

  it('finds those of a checkout, from its sources and from its bundle', async () => {
    await addTree('.cache/programs/linux-x64');
    await mkdir(path.join(root, 'engine', 'programs'), { recursive: true });
    const expected = path.join(root, '.cache', 'programs', 'linux-x64');
    assert.equal(await findBundledDirectory(path.join(root, 'engine', 'programs'), machine), expected);
    assert.equal(await findBundledDirectory(path.join(root, 'dist'), machine), expected);
  });

  it('does not take those of another platform or another layout', async () => {
    await addTree('.cache/programs/darwin-arm64');
    await addTree('dist/programs', TREE_FORMAT + 1);
    assert.equal(await findBundledDirectory(path.join(root, 'dist'), machine), undefined);
  });
});
