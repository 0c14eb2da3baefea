import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { after, before, describe, it } from 'mocha';
import { localProgramHost } from '../../engine/database/postgres/programs/local/programHost.ts';
import { locatePrograms } from '../../engine/database/postgres/programs/locate.ts';
import {
  BUNDLED_MAJOR,
  pinnedVector,
  platformOf,
  type Platform,
} from '../../engine/database/postgres/programs/fetch/pinned.ts';
import { noSecondHost, startSecondHost } from '../hosts/machines/secondHost.ts';
import { makeTestEngine } from '../support/engine.ts';
import { componentOf } from '../support/package/bundledLibraries.ts';
import { checkContents } from '../support/package/package.ts';
import { skipSuite } from '../support/skips.ts';
import { zipListing, type ZipEntry } from '../support/package/zipListing.ts';

const run = promisify(execFile);
const repository = fileURLToPath(new URL('../..', import.meta.url));

describe('The VSIX of a platform', function () {
  this.timeout(180_000);
  let work = '';
  let platform: Platform;
  let file: string;
  let entries: readonly ZipEntry[];
  let programs: string;

  before(async function () {
    const here = platformOf(process);
    if (here === undefined || here === 'win32-x64') return this.skip();
    platform = here;
    work = await realpath(await mkdtemp(path.join(tmpdir(), 'thin-clones-vsix-')));
    // As people make it, and it stays there for them.
    const into = path.join(repository, 'out');
    await mkdir(into, { recursive: true });
    const script = path.join(repository, 'test', 'support', 'package', 'package.ts');
    const { stdout } = await run(process.execPath, [script, '--into', into]);
    file = /^(\S.*\.vsix): /m.exec(stdout)?.[1] ?? '';
    entries = await zipListing(file);
    // Python's unpacker gives no file its run bits.
    await run('python3', ['-m', 'zipfile', '-e', file, path.join(work, 'unpacked')]);
    programs = path.join(work, 'unpacked', 'extension', 'dist', 'programs');
  });

  after(async () => {
    if (work !== '') await rm(work, { recursive: true, force: true });
  });

  it('is named after the target and the version', () => {
    assert.match(path.basename(file), new RegExp(`^thin-clones-${platform}-\\d+\\.\\d+\\.\\d+\\.vsix$`));
  });

  it('holds what the allow-list names, and nothing else', () => {
    const outside = entries
      .map(({ name }) => name)
      .filter((name) => !/^extension\/(dist|media)\//.test(name))
      .sort();
    assert.deepEqual(outside, [
      '[Content_Types].xml',
      'extension.vsixmanifest',
      'extension/LICENSE.txt',
      'extension/THIRD_PARTY_NOTICES.txt',
      'extension/package.json',
      'extension/readme.md',
    ]);
  });

  it('is for its platform only', async () => {
    const manifest = await readFile(path.join(work, 'unpacked', 'extension.vsixmanifest'), 'utf8');
    assert.match(manifest, new RegExp(`TargetPlatform="${platform}"`));
  });

  it('keeps the run bits of the programs, for unpackers that look at them', () => {
    const server = entries.find(({ name }) => name.endsWith('/bin/postgres'));
    assert.equal(server?.mode, 0o755);
  });

  it('carries programs that run after an unpacker has lost their run bits', async () => {
    const host = { ...localProgramHost({}), platform: 'openbsd' as const };
    const before = await stat(path.join(programs, 'postgres-18.4', 'bin', 'postgres'));
    assert.equal(before.mode & 0o111, 0);
    const { server, client } = await locatePrograms({
      host,
      major: BUNDLED_MAJOR,
      bundledDirectory: programs,
    });
    assert.ok(server.ok, JSON.stringify(server));
    assert.ok(client.ok, JSON.stringify(client));
    for (const file of [server.programs.initdb, server.programs.postgres, client.programs.psql]) {
      const { stdout } = await run(file, ['--version']);
      assert.match(stdout, /PostgreSQL\) 18\./);
    }
  });

  it('carries an engine that answers without loading fetch() or HTTP/2, which take 8 MB', async () => {
    const list = path.join(work, 'loaded.json');
    const preload = `process.on('exit', () => process.getBuiltinModule('node:fs').writeFileSync(${JSON.stringify(list)}, JSON.stringify(process.moduleLoadList)))`;
    const { version } = JSON.parse(
      await readFile(path.join(work, 'unpacked', 'extension', 'package.json'), 'utf8'),
    ) as { version: string };
    const engine = await makeTestEngine({
      variables: { THIN_CLONES_STORAGE_DRIVER: 'copy' },
      program: {
        file: path.join(work, 'unpacked', 'extension', 'dist', 'engine.mjs'),
        version,
        env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` },
      },
    });
    try {
      const client = await engine.client();
      const { epoch, seq } = await client.call('overview', {});
      const url = 'postgresql://reader@127.0.0.1:1/app';
      const definition = { members: { main: { engine: 'postgres', retrieval: 'logical', url } } } as const;
      await client.call('environmentApply', { params: { name: 'shop' }, body: { definition } });
      for await (const event of client.events({ epoch, seq })) {
        assert.equal(event.kind, 'environment');
        break;
      }
      await engine.stop();
    } finally {
      await engine.dispose();
    }
    const loaded = JSON.parse(await readFile(list, 'utf8')) as string[];
    assert.ok(loaded.includes('NativeModule http'));
    assert.deepEqual(
      loaded.filter((name) => /undici|http2/.test(name)),
      [],
    );
  });

  it('brings an engine to a host of its platform with the Node that travels, since VS Code itself is none there', async function () {
    if (process.platform !== 'linux') return this.skip();
    const reason = await noSecondHost();
    if (reason !== undefined) skipSuite(this, reason);
    const dist = path.join(work, 'unpacked', 'extension', 'dist');
    const home = path.join(work, 'far');
    const isRoot = process.getuid?.() === 0;
    await mkdir(home);
    await chmod(work, 0o755);
    const settings = { storage: { driver: 'copy' }, ...(isRoot && { serverUser: 'ann' }) };
    await writeFile(path.join(home, 'settings.json'), JSON.stringify(settings));
    const undo = new AsyncDisposableStack();
    try {
      const machine = await startSecondHost({
        accounts: [{ name: 'ann', shell: '/bin/sh' }],
        sshd: [`SetEnv THIN_CLONES_HOME=${home}`, 'Match User root', 'PermitRootLogin yes'],
      });
      undo.defer(() => machine.close());
      const { file: configuration } = await machine.clientConfig();
      const asInElectron = `Object.defineProperty(process, 'versions', { value: { ...process.versions, electron: '39.0.0' } })`;
      const engine = await makeTestEngine({
        variables: { THIN_CLONES_STORAGE_DRIVER: 'copy', THIN_CLONES_SSH_CONFIG: configuration },
        program: {
          file: path.join(dist, 'engine.mjs'),
          env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(asInElectron)}` },
        },
      });
      undo.defer(() => engine.dispose());
      const address = `ssh://${isRoot ? 'root@' : ''}big`;
      const host = await (await engine.client()).call('hostAdd', { body: { name: 'box', address } });
      assert.deepEqual([host.state, host.problem], ['ready', null]);

      const { version, build } = JSON.parse(await readFile(path.join(dist, 'build.json'), 'utf8')) as {
        version: string;
        build: string;
      };
      // Nothing was fetched for it.
      const archive = `${platform}_${build}.tar.gz`;
      assert.deepEqual((await readdir(engine.paths.archives)).sort(), [archive, `${archive}.json`]);
      const there = path.join(home, 'engine', 'builds', `${version}_${build}`);
      const travelled = await readFile(path.join(dist, 'hosts', platform, 'node'));
      assert.ok(travelled.equals(await readFile(path.join(there, 'node'))));
      assert.deepEqual(
        (await readdir(path.join(there, 'dist', 'programs'))).sort(),
        (await readdir(programs)).sort(),
      );
    } finally {
      await undo.disposeAsync();
    }
  });

  it('carries the licence of every bundled package, of PostgreSQL and of the libraries', async () => {
    const notices = await readFile(
      path.join(work, 'unpacked', 'extension', 'THIRD_PARTY_NOTICES.txt'),
      'utf8',
    );
    assert.match(notices, /^zod \d+\.\d+\.\d+ \(MIT\)$/m);
    assert.match(notices, /PostgreSQL Global Development Group/);
    assert.match(notices, /^OpenSSL \d/m);
    assert.match(notices, /^ICU$/m);
    if (platform.startsWith('linux')) assert.match(notices, /^Node\.js, in dist\/hosts\/linux/m);
    if (pinnedVector({ platform, major: BUNDLED_MAJOR }) !== undefined)
      assert.match(notices, /^pgvector \(/m);
  });

  it('tells no development scripts or dependencies', async () => {
    const text = await readFile(path.join(work, 'unpacked', 'extension', 'package.json'), 'utf8');
    assert.doesNotMatch(text, /devDependencies|"scripts"/);
  });

  const trees = (): string => path.join(work, 'unpacked', 'extension', 'dist', 'programs');

  it('is refused when something got in that does not belong there', async () => {
    const extra = { name: 'extension/.env', mode: 0o644, isLink: false, bytes: 1, packedBytes: 1 };
    await assert.rejects(checkContents([...entries, extra], platform, trees()), /\.env must not be in it/);
  });

  it('is refused with source maps, with links and without run bits', async () => {
    const spoilt = entries.map((entry) =>
      entry.name.endsWith('/bin/postgres') ? { ...entry, mode: 0o644, isLink: true } : entry,
    );
    const map = {
      name: 'extension/dist/webviews/job.js.map',
      mode: 0o644,
      isLink: false,
      bytes: 1,
      packedBytes: 1,
    };
    await assert.rejects(checkContents([...spoilt, map], platform, trees()), (error: Error) => {
      assert.match(error.message, /bin\/postgres has no run bits/);
      assert.match(error.message, /bin\/postgres is a symbolic link/);
      assert.match(error.message, /job\.js\.map is a source map/);
      return true;
    });
  });

  it('is refused with the programs of another platform or without them', async () => {
    const other = platform === 'linux-x64' ? 'darwin-arm64' : 'linux-x64';
    await assert.rejects(checkContents(entries, other, trees()), new RegExp(`is for ${platform}`));
    const without = entries.filter(({ name }) => !name.includes('/programs/'));
    await assert.rejects(checkContents(without, platform, trees()), /its programs are: none/);
  });

  it('is refused when the extension grows beyond its limit', async () => {
    const grown = entries.map((entry) =>
      entry.name === 'extension/dist/extension.cjs' ? { ...entry, bytes: 300_001 } : entry,
    );
    await assert.rejects(checkContents(grown, platform, trees()), /extension\.cjs has 300001 bytes/);
  });
});

describe('componentOf', () => {
  it('knows libraries of all platforms', () => {
    assert.equal(componentOf('libcrypto.so.1.1').licence, 'openssl-1.1');
    assert.equal(componentOf('libcrypto-3-x64.dll').licence, 'apache-2.0');
    assert.equal(componentOf('libssl.3.dylib').licence, 'apache-2.0');
    assert.equal(componentOf('icudt77.dll').name, 'ICU');
  });

  it('refuses a library whose licence nobody has looked up', () => {
    assert.throws(() => componentOf('libnew.so.1'), /No licence is known for the library libnew\.so\.1/);
  });
});
