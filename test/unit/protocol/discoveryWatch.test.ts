import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { watchDiscovery, type DiscoveryWatch } from '../../../engine/protocol/node/discoveryWatch.ts';

const hour = 3_600_000;

describe('waiting for the discovery file', () => {
  let folder: string;
  let file: string;
  let watch: DiscoveryWatch;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-watch-'));
    file = join(folder, 'engine.json');
  });
  afterEach(async () => {
    watch.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('ends as soon as the file is put there, and not by other files', async () => {
    watch = watchDiscovery(file, hour);
    let isOver = false;
    const over = watch.woken(undefined).then(() => (isOver = true));
    await writeFile(join(folder, 'state.db'), '');
    await writeFile(`${file}.1`, '{}');
    assert.equal(isOver, false);
    await rename(`${file}.1`, file);
    await over;
  });

  it('ends at once when something has happened since the last look, and only once by that', async () => {
    watch = watchDiscovery(file, hour);
    watch.wake();
    await watch.woken(undefined);
    await assert.rejects(watch.woken(AbortSignal.timeout(5)), { name: 'TimeoutError' });
  });

  it('looks all the same where no folder can be watched', async () => {
    watch = watchDiscovery(join(folder, 'nowhere', 'engine.json'), hour);
    await watch.woken(undefined);
  });
});
