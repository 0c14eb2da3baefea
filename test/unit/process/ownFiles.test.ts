/** Files of the engine that somebody removes or replaces are made again. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { watchOwnFiles, type OwnFiles } from '../../../engine/process/ownFiles.ts';

describe('the files of the engine', () => {
  let folder: string;
  let path: string;
  let files: OwnFiles;
  let told: { path: string; problem: string | null }[];
  let onTold = (): void => undefined;
  /** Not earlier than told, however slow the machine is. */
  const nextWord = (): Promise<void> => new Promise((resolve) => (onTold = resolve));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-own-'));
    path = join(folder, 'engine.json');
    await writeFile(path, 'ours');
    told = [];
    files = watchOwnFiles({
      everyMs: 1,
      tell(where, problem) {
        told.push({ path: where, problem });
        onTold();
      },
    });
  });
  afterEach(async () => {
    await files.close();
    await rm(folder, { recursive: true });
  });

  it('come back when they were removed, and when another file took their place, again and again', async () => {
    files.keep({ path, restore: () => writeFile(path, 'ours') });
    for (const loss of [
      () => rm(path),
      async () => {
        await writeFile(`${path}.new`, 'theirs');
        await rename(`${path}.new`, path);
      },
      () => rm(path),
    ]) {
      const word = nextWord();
      await loss();
      await word;
      assert.equal(await readFile(path, 'utf8'), 'ours');
    }
    assert.deepEqual(
      told,
      told.map(() => ({ path, problem: null })),
    );
    assert.equal(told.length, 3);
  });

  it('are tried again until it works, and one that can not be made is told once for each reason', async () => {
    let tries = 0;
    files.keep({
      path,
      async restore() {
        tries += 1;
        if (tries < 4) throw new Error(tries < 3 ? 'the disk is full' : 'the disk is broken');
        await writeFile(path, 'ours');
      },
    });
    await rm(path);
    while (told.length < 3) await nextWord();
    assert.deepEqual(
      told.map(({ problem }) => problem),
      ['the disk is full', 'the disk is broken', null],
    );
    assert.equal(tries, 4);
  });

  it('are nobody’s concern when they are forgotten', async () => {
    let tries = 0;
    files.keep({ path, restore: () => void (tries += 1) });
    files.forget(path);
    const other = join(folder, 'engine.lock');
    await writeFile(other, '');
    files.keep({ path: other, restore: () => writeFile(other, '') });
    await rm(path);
    const word = nextWord();
    await rm(other);
    await word;
    assert.equal(tries, 0);
  });
});
