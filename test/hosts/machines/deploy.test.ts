import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  access,
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import {
  createDeployment,
  type DeployOptions,
  type EngineArchive,
} from '../../../engine/link/deploy/deploy.ts';
import { uninstallWork } from '../../../engine/link/deploy/uninstall.ts';
import { createArchiveFinder } from '../../../engine/link/deploy/findArchive.ts';
import type { LinkStream } from '../../../engine/link/link.ts';
import { createSshLink } from '../../../engine/link/ssh/sshLink.ts';
import type { DoctorCheck } from '../../../engine/protocol/entities.ts';
import { isFailure, type ErrorCode, type ThinClonesError } from '../../../engine/protocol/errors.ts';
import { skipSuite } from '../../support/skips.ts';
import { startLineProxy } from './lineProxy.ts';
import { noSecondHost, startSecondHost, type SecondHost } from './secondHost.ts';

const says = (text: string): string => `#!/bin/sh\n${text}\n`;
const faking = (name: string, program: string, text: string) => ({
  name,
  shell: '/bin/sh',
  files: { [`bin/${program}`]: says(text), '.ssh/environment': `PATH=/home/${name}/bin:/usr/bin:/bin\n` },
});
const accounts = [
  ...['ann', 'bob', 'cut', 'tor', 'two', 'old', 'hal', 'pru', 'win', 'var', 'rem'].map((name) => ({
    name,
    shell: '/bin/sh',
  })),
  { name: 'nox', shell: '/bin/sh', mount: 'noexec' },
  { name: 'ful', shell: '/bin/sh', mount: 'size=5m' },
  { name: 'rom', shell: '/bin/sh', mount: 'ro' },
  faking('mus', 'getconf', 'exit 1'),
  faking('gli', 'getconf', 'echo glibc 2.17'),
  faking('cpu', 'uname', 'case $1 in -m) echo riscv64;; *) echo Linux;; esac'),
  faking('mac', 'uname', 'case $1 in -m) echo arm64;; *) echo Darwin;; esac'),
  faking('clo', 'date', 'echo $(($(/bin/date +%s) - 3600))'),
  faking('bad', 'tar', '/bin/tar "$@" && exit 2'),
];

/** Of a program that stands for Node, says which build it is, and echoes. */
async function archiveOf(
  build: string,
  ballast = 3 << 20,
  node = `[ "$1" = -e ] && exit 0\necho "I am ${build}, run by $*"\nexec cat`,
  mode = 0o755,
): Promise<EngineArchive & { data: Buffer }> {
  const folder = await mkdtemp(join(tmpdir(), 'tc-archive-'));
  const at = (name: string): string => join(folder, name);
  await mkdir(at('dist'));
  await writeFile(at('node'), says(node), { mode });
  await writeFile(at('dist/thin-clones.mjs'), '');
  await writeFile(at('dist/ballast'), randomBytes(ballast));
  await promisify(execFile)('tar', ['-czf', at('archive'), '-C', folder, 'node', 'dist']);
  const data = await readFile(at('archive'));
  await rm(folder, { recursive: true });
  return {
    data,
    bytes: data.length,
    sha256: createHash('sha256').update(data).digest('hex'),
    unpackedBytes: ballast + 8192,
    read: (from) => Readable.from(pieces(data.subarray(from))),
  };
}

/** The program is below a home of the host, as it is seen from there. */
async function processesEnd(program: string): Promise<void> {
  const there = program.slice(program.indexOf('/home/'));
  for (;;) {
    const running: string[] = [];
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      // best effort: a process that ended meanwhile runs nothing.
      if ((await readlink(`/proc/${pid}/exe`).catch(() => '')) === there) running.push(pid);
    }
    if (running.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function* pieces(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += 64 * 1024) yield data.subarray(at, at + 64 * 1024);
}

describe('the engine that is brought to a host', () => {
  let host: SecondHost;
  let archive: Awaited<ReturnType<typeof archiveOf>>;
  before(async function () {
    const reason =
      (await noSecondHost('openssl')) ??
      (process.getuid?.() === 0 ? undefined : 'accounts of a second host need root');
    if (reason !== undefined) skipSuite(this, reason);
    host = await startSecondHost({ accounts });
    archive = await archiveOf('0.2.0_b');
  });
  after(() => (host as SecondHost | undefined)?.close());

  interface Bring extends Partial<DeployOptions> {
    user: string;
    port?: number;
    progress?: string[];
    checks?: DoctorCheck[];
  }
  const bring = async ({ user, port, progress = [], checks, ...options }: Bring): Promise<LinkStream> => {
    const { file } = await host.clientConfig(port === undefined ? {} : { port });
    return createSshLink({
      name: 'box',
      address: { user, host: 'big' },
      work: createDeployment({
        version: '0.2.0',
        build: 'b',
        archive: async () => archive,
        now: () => Date.now() / 1000,
        ...options,
      }),
      environment: process.env,
      configFile: file,
    }).open({
      signal: new AbortController().signal,
      onProgress: (text) => progress.push(text),
      ...(checks !== undefined && { onCheck: (check) => checks.push(check) }),
    });
  };
  const greeting = async (stream: LinkStream): Promise<string> => {
    const [heard] = (await once(stream.bytes, 'data')) as [Buffer];
    stream.close();
    await stream.ended;
    return heard.toString().trim();
  };
  const refused = async (code: ErrorCode, options: Bring): Promise<ThinClonesError> => {
    let failure: unknown;
    try {
      (await bring(options)).close();
    } catch (error) {
      failure = error;
    }
    assert.ok(isFailure(failure, code), `${code}: ${String(failure)}`);
    return failure;
  };
  const home = (user: string): string => host.path(`/home/${user}`);
  const builds = (user: string): string => join(home(user), '.local/share/thin-clones/engine/builds');
  const kept = async (user: string): Promise<string[]> =>
    (await readdir(builds(user))).filter((name) => /^\d/.test(name)).sort();

  it('is copied at the first login, with progress, and started with its command', async () => {
    const progress: string[] = [];
    const said = await greeting(await bring({ user: 'ann', progress }));
    const there = '/home/ann/.local/share/thin-clones/engine/builds/0.2.0_b';
    assert.equal(said, `I am 0.2.0_b, run by ${there}/dist/thin-clones.mjs engine bridge`);
    assert.ok(progress.includes('Copying the engine there: 3 of 3 MB'), progress.join('; '));
    assert.deepEqual((await readdir(builds('ann'))).sort(), ['0.2.0_b', 'incoming', 'newest']);
    assert.deepEqual(await readdir(join(builds('ann'), 'incoming')), []);
    assert.ok((await readFile(join(builds('ann'), '0.2.0_b/dist/ballast'))).length === 3 << 20);
  });
  it('is started at once at the next, and nothing is copied', async () => {
    const archives: string[] = [];
    const stream = await bring({
      user: 'ann',
      archive: async (platform) => {
        archives.push(platform);
        return archive;
      },
    });
    assert.match(await greeting(stream), /I am 0\.2\.0_b/);
    assert.deepEqual(archives, []);
  });

  it('is not needed to look at everything that the host is, which changes nothing there', async () => {
    const checks: DoctorCheck[] = [];
    const before = (await readdir(home('ann'), { recursive: true })).sort();
    assert.match(await greeting(await bring({ user: 'ann', checks })), /I am 0\.2\.0_b/);
    assert.deepEqual((await readdir(home('ann'), { recursive: true })).sort(), before);
    const found = new Map(checks.map((check) => [check.name, check]));
    assert.deepEqual(
      [...found.keys()],
      ['system', 'rights', 'folder', 'temporary files', 'space', 'clock', 'zfs', 'btrfs'],
    );
    for (const { name, status } of checks) assert.ok(['ok', 'unused'].includes(status), `${name}: ${status}`);
    assert.match(found.get('system')?.message ?? '', /^Linux on \S+, glibc 2\.\d+$/);
    assert.equal(found.get('rights')?.message, 'an ordinary user');
    assert.match(found.get('space')?.message ?? '', /^\d+\.\d GB free on tmpfs$/);
  });
  it('is started with what it was told, whatever that is made of', async () => {
    const place = `/data/it's "here" $(id) \`id\` \\ !`;
    const archive = await archiveOf('0.3.0_v', 10, '[ "$1" = -e ] && exit 0\nprintenv PLACE; exec cat');
    const stream = await bring({
      ...{ user: 'var', version: '0.3.0', build: 'v', variables: { PLACE: place } },
      archive: async () => archive,
    });
    assert.equal(await greeting(stream), place);
  });

  it('goes on where a copy that was cut off had come to', async () => {
    const proxy = await startLineProxy(host.port);
    const whole = archive.data;
    const half: EngineArchive = {
      ...archive,
      read: (from) =>
        Readable.from(
          (async function* () {
            yield* pieces(whole.subarray(from, whole.length / 2));
            while (await parts('cut').then((sizes) => (sizes[0] ?? 0) < 1 << 20)) await turn();
            proxy.cut();
          })(),
        ),
    };
    await refused('host_unreachable', { user: 'cut', port: proxy.port, archive: async () => half });
    await proxy.close();
    let from = -1;
    const rest = { ...archive, read: (at: number) => ((from = at), archive.read(at)) };
    assert.match(await greeting(await bring({ user: 'cut', archive: async () => rest })), /I am 0\.2\.0_b/);
    assert.ok(from >= 1 << 20, `it went on from ${from}`);
  });
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
  const parts = async (user: string): Promise<number[]> => {
    const folder = join(builds(user), 'incoming');
    const names = await readdir(folder);
    return Promise.all(names.map(async (name) => (await readFile(join(folder, name))).length));
  };

  it('is not taken when what arrives is not what was sent, and nothing of it stays', async () => {
    const torn = Buffer.from(archive.data);
    torn.writeUInt8(torn.readUInt8(1000) ^ 1, 1000);
    const failure = await refused('upload_failed', {
      user: 'tor',
      archive: async () => ({ ...archive, read: (from) => Readable.from(pieces(torn.subarray(from))) }),
    });
    assert.equal(failure.document.retryable, true);
    assert.deepEqual(await kept('tor'), []);
    assert.deepEqual(await parts('tor'), []);
    assert.match(await greeting(await bring({ user: 'tor' })), /I am/);
  });
  it('is not taken when it can not be unpacked, and nothing of it stays', async () => {
    await refused('upload_failed', { user: 'bad' });
    assert.deepEqual((await readdir(builds('bad'))).sort(), ['incoming']);
    assert.deepEqual(await parts('bad'), []);
  });
  it('runs though who packed it knows no run bits', async () => {
    const plain = await archiveOf('0.2.0_b', 10, undefined, 0o644);
    assert.match(await greeting(await bring({ user: 'win', archive: async () => plain })), /I am 0\.2\.0_b/);
  });
  it('is not taken when its Node does not run there', async () => {
    const broken = await archiveOf('x', 10, 'echo "libstdc++.so.6: not found" >&2; exit 127');
    const failure = await refused('host_unsupported', { user: 'hal', archive: async () => broken });
    assert.match(failure.message, /libstdc\+\+/);
    assert.deepEqual(await kept('hal'), []);
  });
  it('comes there once when two bring it at once', async () => {
    const said = await Promise.all([1, 2, 3].map(async () => greeting(await bring({ user: 'two' }))));
    for (const each of said) assert.match(each, /I am 0\.2\.0_b/);
    assert.deepEqual((await readdir(builds('two'))).sort(), ['0.2.0_b', 'incoming', 'newest']);
    assert.deepEqual(await parts('two'), []);
  });

  it('is never older than one that is there', async () => {
    const [older, newer] = [await archiveOf('0.1.0_a', 10), await archiveOf('0.10.0_c', 10)];
    const older1 = { user: 'old', version: '0.1.0', build: 'a', archive: async () => older };
    assert.match(await greeting(await bring(older1)), /0\.1\.0_a/);
    assert.match(await greeting(await bring({ user: 'old' })), /0\.2\.0_b/);
    const newest = { user: 'old', version: '0.10.0', build: 'c', archive: async () => newer };
    assert.match(await greeting(await bring(newest)), /0\.10\.0_c/);
    assert.match(await greeting(await bring({ user: 'old' })), /0\.10\.0_c/);
    assert.match(await greeting(await bring(older1)), /0\.10\.0_c/);
  });
  it('stays there beside the one before it; older ones go, unless something runs from them', async () => {
    const of = async (version: string): Promise<LinkStream> =>
      bring({ user: 'pru', version, build: 'x', archive: async () => archiveOf(`${version}_x`, 10) });
    await greeting(await of('1.0.0'));
    const busy = join(builds('pru'), '1.0.0_x', 'busy');
    await cp('/bin/cat', busy);
    await chmod(busy, 0o755);
    const runs = await createSshLink({
      name: 'box',
      address: { user: 'pru', host: 'big' },
      work: {
        script: 'exec "$HOME/.local/share/thin-clones/engine/builds/1.0.0_x/busy"',
        converse: async () => undefined,
      },
      environment: process.env,
      configFile: (await host.clientConfig()).file,
    }).open({ signal: new AbortController().signal });
    runs.bytes.write('runs');
    await once(runs.bytes, 'data');
    for (const version of ['1.1.0', '1.2.0', '1.3.0']) await greeting(await of(version));
    assert.deepEqual(await kept('pru'), ['1.0.0_x', '1.2.0_x', '1.3.0_x']);
    runs.close();
    await runs.ended;
    await processesEnd(busy);
    await greeting(await of('1.4.0'));
    assert.deepEqual(await kept('pru'), ['1.3.0_x', '1.4.0_x']);
  });

  describe('is taken away', () => {
    const remove = async (left: string[] = []): Promise<void> => {
      const stream = await createSshLink({
        name: 'box',
        address: { user: 'rem', host: 'big' },
        work: uninstallWork({ onBegin: async () => undefined, onLeft: (path) => left.push(path) }),
        environment: process.env,
        configFile: (await host.clientConfig()).file,
      }).open({ signal: new AbortController().signal });
      stream.close();
      await stream.ended;
    };
    const refuses = (problem: RegExp) =>
      assert.rejects(
        remove(),
        (error) => isFailure(error, 'uninstall_refused') && problem.test(error.message),
      );
    const ours = (): string => join(home('rem'), '.local/share/thin-clones');
    /** As its account there does it. */
    const own = async (...paths: string[]): Promise<void> => {
      const { uid, gid } = await stat(home('rem'));
      for (const path of paths) await chown(path, uid, gid);
    };

    it('where it says that it is ours, holds no data and runs nothing, and what is not ours stays', async () => {
      await refuses(/nothing says that what is there is ours/);
      await greeting(await bring({ user: 'rem' }));
      await refuses(/nothing says that what is there is ours/);
      const [mark, data, note] = ['engine/installation.json', 'pool/data/one', 'settings.json'].map((name) =>
        join(ours(), name),
      ) as [string, string, string];
      await mkdir(data, { recursive: true });
      for (const file of [mark, note, join(ours(), 'pool/thin-clones-pool.json')])
        await writeFile(file, '{}');
      await own(mark, note, join(ours(), 'pool'), join(ours(), 'pool/data'), data);
      await refuses(/there is data/);
      await rm(data, { recursive: true });
      const before = await readdir(home('rem'));
      const left: string[] = [];
      await remove(left);
      assert.deepEqual(left, ['/home/rem/.local/share/thin-clones/settings.json']);
      assert.deepEqual(await readdir(ours()), ['settings.json']);
      assert.deepEqual(await readdir(home('rem')), before);
      await refuses(/nothing says/);
    });
  });

  for (const [user, code, said] of [
    ['nox', 'host_folder', /noexec/],
    ['rom', 'host_folder', /nothing can be written/],
    ['ful', 'host_full', /needs/],
    ['mus', 'host_unsupported', /C library/],
    ['gli', 'host_unsupported', /glibc 2\.17/],
    ['cpu', 'host_unsupported', /riscv64/],
    ['mac', 'host_unsupported', /Darwin/],
  ] as const)
    it(`is refused by the account ${user} before anything is written there`, async () => {
      const before = await readdir(home(user));
      const checks: DoctorCheck[] = [];
      const failure = await refused(code, { user, checks });
      assert.match(failure.message, said);
      assert.notEqual(failure.document.next, '');
      const worst = checks.find(({ status }) => status === 'problem' || status === 'warning');
      assert.ok(worst, `${user}: nothing was found`);
      if (user === 'nox') assert.equal(worst.fix, 'sudo mount -o remount,exec /home/nox');
      assert.deepEqual(await readdir(home(user)), before);
      await assert.rejects(access(builds(user)));
    });
  it('says that there is none for the platform', async () => {
    await refused('host_unsupported', { user: 'bob', archive: async () => undefined });
  });
  it('leaves nothing where the disk is full before it has arrived', async () => {
    // It says that it needs less than it does.
    const lying = { ...archive, unpackedBytes: -archive.bytes - (60 << 20) };
    await refused('host_full', { user: 'ful', archive: async () => lying });
    assert.deepEqual(await readdir(builds('ful')), ['incoming']);
    assert.deepEqual(await parts('ful'), []);
  });
  it('tells a clock that is an hour off, and works', async () => {
    const progress: string[] = [];
    assert.match(await greeting(await bring({ user: 'clo', progress })), /I am/);
    assert.ok(
      progress.some((text) => /The clock of box is 3\d\d\d s behind/.test(text)),
      progress.join('; '),
    );
  });
});

describe('the archive of an engine', () => {
  it('is made once of Node, bundles and programs, and takes the place of an older one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tc-archive-'));
    try {
      const at = (name: string): string => join(folder, name);
      await mkdir(at('dist/engine-chunks'), { recursive: true });
      await mkdir(at('client-18/bin'), { recursive: true });
      for (const name of [
        'node',
        'dist/build.json',
        'dist/engine.mjs',
        'dist/engine.mjs.map',
        'dist/thin-clones.mjs',
      ])
        await writeFile(at(name), name);
      await writeFile(at('client-18/bin/psql'), 'psql');
      let asked = 0;
      const finderOf = (build: string) =>
        createArchiveFinder({
          ...{ build, into: at('kept') },
          parts: async (platform) => {
            asked += 1;
            const parts = { node: at('node'), dist: at('dist'), programs: [at('client-18')] };
            return platform === 'linux-x64' ? parts : undefined;
          },
        });
      const silent = (): void => undefined;
      const find = finderOf('b');
      const [made, same] = await Promise.all([find('linux-x64', silent), find('linux-x64', silent)]);
      assert.ok(made !== undefined);
      assert.equal(made, same);
      assert.equal(await find('linux-arm64', silent), undefined);
      assert.equal(asked, 2);
      // By the next engine of this build.
      const again = await finderOf('b')('linux-x64', silent);
      assert.equal(asked, 2);
      const hash = createHash('sha256');
      for await (const chunk of again?.read(0) ?? []) hash.update(chunk as Buffer);
      assert.equal(hash.digest('hex'), made.sha256);
      assert.equal(again?.bytes, made.bytes);
      assert.deepEqual((await readdir(at('kept'))).sort(), ['linux-x64_b.tar.gz', 'linux-x64_b.tar.gz.json']);

      // What an engine left that was ended in the middle goes, and what another build made.
      await mkdir(at('kept/making-linux-x64-dead/tree'), { recursive: true });
      await writeFile(at('kept/linux-arm64_b.tar.gz'), 'of another platform');
      assert.notEqual(await finderOf('c')('linux-x64', silent), undefined);
      assert.deepEqual((await readdir(at('kept'))).sort(), [
        ...['linux-arm64_b.tar.gz', 'linux-x64_c.tar.gz', 'linux-x64_c.tar.gz.json'],
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
