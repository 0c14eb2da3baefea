import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { bootstrapScript } from '../../../engine/link/deploy/bootstrap.ts';

describe('a host that takes long to unpack the engine', () => {
  it('says that it works until it is done, so that nobody takes it for one that hangs', async function () {
    if (process.platform !== 'linux') this.skip();
    this.timeout(120_000);
    const folder = await mkdtemp(join(tmpdir(), 'tc-slow-'));
    const at = (name: string): string => join(folder, name);
    try {
      for (const name of ['bin', 'engine', 'home']) await mkdir(at(name));
      await writeFile(at('engine/node'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
      await promisify(execFile)('tar', ['-czf', at('archive'), '-C', at('engine'), 'node']);
      const data = await readFile(at('archive'));
      // Held until somebody heard that it works.
      const slow = `#!/bin/sh\nwhile [ ! -e '${at('go')}' ]; do sleep 0.1; done\nexec /bin/tar "$@"\n`;
      await writeFile(at('bin/tar'), slow, { mode: 0o755 });
      const child = spawn('sh', ['-c', bootstrapScript({ wanted: '1.0.0_a', run: [] })], {
        env: { PATH: `${at('bin')}:/usr/bin:/bin`, THIN_CLONES_HOME: at('home'), HOME: at('home') },
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      const ended = once(child, 'close');
      const said: string[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        said.push(line);
        if (line === 'ready') {
          const sum = createHash('sha256').update(data).digest('hex');
          child.stdin.write(`put 1.0.0_a ${data.length} ${sum}\n`);
        }
        if (line.startsWith('have ')) child.stdin.write(data);
        if (line === 'working') await writeFile(at('go'), '');
        if (line === 'done' || line.startsWith('failed')) child.stdin.end();
      }
      await ended;
      const heard = said.slice(said.indexOf('received'));
      assert.equal(heard[1], 'working');
      assert.equal(heard.at(-1), 'done');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
