/** Brings the engine to a host: looks what the host is, sends one archive for its platform, starts it. */
import type { Readable } from 'node:stream';
import { fail } from '../../protocol/errors.ts';
import { isNewer } from '../../protocol/node/launch.ts';
import { StreamEnded, type Conversation } from '../conversation.ts';
import { lastWords } from '../lastWords.ts';
import type { FarWork } from '../ssh/sshLink.ts';
import { bootstrapScript, buildPattern } from './bootstrap.ts';
import {
  architectureOf,
  clockToleranceSeconds,
  hostChecks,
  unsupported,
  type HostDescription,
} from './hostChecks.ts';

/** One file for one platform: a gzipped tar with `node`, `dist/` and what the engine needs besides. */
export interface EngineArchive {
  bytes: number;
  sha256: string;
  unpackedBytes: number;
  read(from: number): Readable;
}

/** For "linux-x64", "linux-arm64"; undefined where there is none. It may take minutes, of which it tells. */
export type FindArchive = (
  platform: string,
  onProgress: (text: string) => void,
) => Promise<EngineArchive | undefined>;

export interface DeployOptions {
  version: string;
  build: string;
  archive: FindArchive;
  /** Default: the bridge of the engine that was brought. */
  run?: readonly string[];
  /** Variables that the engine there is started with. */
  variables?: Readonly<Record<string, string>>;
  /** Seconds since 1970, to compare with the host's. */
  now: () => number;
}

/** How many builds stay there besides the newest one; one that is in use stays too. */
const keptOlder = 1;
const spareBytes = 64 << 20;
const longestDescription = 500;
export function createDeployment(options: DeployOptions): FarWork {
  const { version, build, variables = {}, run = ['dist/thin-clones.mjs', 'engine', 'bridge'] } = options;
  const wanted = `${version}_${build}`;
  if (!buildPattern.test(wanted)) throw new Error(`"${wanted}" can't name a build`);
  return {
    script: bootstrapScript({ wanted, run, variables }),
    examiningScript: bootstrapScript({ wanted, run, variables, examine: true }),
    async converse(far, { host, onProgress, onCheck, meanwhile }) {
      const found = await describe(far, options.now);
      if (found === 'started') return;
      if (onCheck !== undefined) for (const check of hostChecks(found)) onCheck(check);
      const ahead = Math.abs(found.clockAheadSeconds);
      if (ahead > clockToleranceSeconds)
        onProgress(
          `The clock of ${host} is ${ahead} s ${found.clockAheadSeconds > 0 ? 'ahead of' : 'behind'} this machine's: times that it tells are told by this machine's`,
        );
      const newest = newestOf(found.builds);
      // An older client never downgrades: the newer engine says itself whether it can be spoken to.
      const started = newest !== undefined && isNewer(versionOf(newest), version) ? newest : wanted;
      if (!found.builds.includes(started)) {
        const archive: FindArchive = (...of) => meanwhile(options.archive(...of));
        await put(far, { host, wanted, found, onProgress, archive });
        await prune(far, wanted, found.builds);
      }
      onProgress('Starting the engine there');
      // Together: the first connection waits for the host once less.
      await far.write(`newest ${started}\nstart ${started}\n`);
      await expect(far, 'newest', 'done');
      await expect(far, 'start', 'started');
    },
  };
}

const versionOf = (build: string): string => build.split('_')[0] ?? '';

const newestOf = (builds: readonly string[]): string | undefined =>
  builds.reduce<string | undefined>(
    (best, each) => (best === undefined || isNewer(versionOf(each), versionOf(best)) ? each : best),
    undefined,
  );

async function heard(far: Conversation): Promise<string> {
  const line = await far.line();
  if (line === undefined) throw new StreamEnded();
  return line;
}

async function tell(far: Conversation, command: string, expected: string): Promise<void> {
  await far.write(`${command}\n`);
  await expect(far, command.split(' ')[0] ?? '', expected);
}

async function expect(far: Conversation, verb: string, expected: string): Promise<void> {
  const answer = await heard(far);
  if (answer !== expected) throw new Error(`it answered "${lastWords(answer)}" to ${verb}`);
}

async function describe(far: Conversation, now: () => number): Promise<HostDescription | 'started'> {
  const said = new Map<string, string>();
  const builds: string[] = [];
  for (let lines = 0; lines < longestDescription; lines++) {
    const line = await heard(far);
    if (line === 'started') return 'started';
    if (line === 'ready') {
      const text = (key: string): string => said.get(key) ?? '';
      return {
        system: text('system'),
        processor: text('processor'),
        libc: text('libc'),
        uid: Number(text('uid')),
        groups: words(text('groups')),
        filesystem: text('filesystem'),
        temp: folderOf(text('temp')),
        mount: text('mount'),
        zfs: text('zfs'),
        btrfs: text('btrfs'),
        packager: text('packager'),
        clockAheadSeconds: Math.round(Number(text('clock')) - now()),
        home: text('home'),
        freeBytes: Number(text('free')) * 1024,
        folder: folderOf(text('folder')),
        missing: words(text('missing')),
        builds: builds.filter((name) => buildPattern.test(name)),
      };
    }
    const [, key = '', value = ''] = /^(\S+) ?(.*)$/.exec(line) ?? [];
    if (key === 'build') builds.push(value);
    else said.set(key, value);
  }
  throw new Error('it describes itself without end');
}

const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');

const folderOf = (text: string): HostDescription['folder'] =>
  text === 'good' || text === 'noexec' ? text : 'closed';

interface Put {
  host: string;
  wanted: string;
  found: HostDescription;
  onProgress: (text: string) => void;
  archive: FindArchive;
}

/** Errors: those of a host that can't have our engine, and `upload_failed`. */
async function put(
  far: Conversation,
  { host, wanted, found, onProgress, archive: find }: Put,
): Promise<void> {
  const platform = platformOf(host, found);
  const folder = lastWords(found.home);
  if (found.missing.length > 0) throw fail('host_tools', { host, tools: found.missing.map(lastWords) });
  onProgress('Looking for the engine for it');
  const archive = await find(platform, onProgress);
  if (archive === undefined)
    throw fail('host_unsupported', { host, problem: `no engine for ${platform} is here` });
  const neededBytes = archive.bytes + archive.unpackedBytes + spareBytes;
  const full = (freeBytes: number) => fail('host_full', { host, folder, freeBytes, neededBytes });
  if (found.freeBytes < neededBytes) throw full(found.freeBytes);
  if (found.folder === 'noexec')
    throw fail('host_folder', { host, folder, problem: 'nothing there may be run (noexec)' });
  if (found.folder === 'closed')
    throw fail('host_folder', { host, folder, problem: 'nothing can be written there' });

  await far.write(`put ${wanted} ${archive.bytes} ${archive.sha256}\n`);
  const answer = await heard(far);
  const have = /^have (\d+)$/.exec(answer)?.[1];
  const refused = (line: string) => {
    const [, what, detail = ''] = /^failed (\S+) ?(.*)$/.exec(line) ?? [];
    if (what === 'write' || what === 'unpack') {
      const left = Number(detail) * 1024;
      return left < neededBytes
        ? full(left)
        : fail('upload_failed', { host, problem: 'it could not be unpacked' });
    }
    if (what === 'torn') return fail('upload_failed', { host, problem: 'what arrived is not what was sent' });
    if (what === 'folder')
      return fail('host_folder', { host, folder, problem: 'nothing can be written there' });
    if (what === 'node') return fail('host_unsupported', { host, problem: lastWords(detail) });
    return fail('upload_failed', { host, problem: `it answered "${lastWords(line)}"` });
  };
  if (have === undefined) throw refused(answer);
  const heardEarly = far.line();
  let sent = Number(have);
  const ended: { line?: string | undefined } = {};
  void heardEarly.then((line) => (ended.line = line ?? ''));
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
  for await (const chunk of archive.read(sent)) {
    // Refused in the middle, as by a full disk: the rest is not sent.
    if (ended.line !== undefined) break;
    await far.write(chunk as Uint8Array);
    sent += (chunk as Uint8Array).length;
    onProgress(`Copying the engine there: ${megabytes(sent)} of ${megabytes(archive.bytes)} MB`);
  }
  const received = await heardEarly;
  if (received === undefined) throw new StreamEnded();
  if (received !== 'received') throw refused(received);
  onProgress('Unpacking the engine there');
  let done = await heard(far);
  while (done === 'working') done = await heard(far);
  if (done !== 'done') throw refused(done);
}

/** Errors: `host_unsupported`. */
function platformOf(host: string, found: HostDescription): string {
  const problem = unsupported(found);
  if (problem !== undefined) throw fail('host_unsupported', { host, problem: lastWords(problem) });
  return `linux-${architectureOf(found) ?? ''}`;
}

async function prune(far: Conversation, wanted: string, builds: readonly string[]): Promise<void> {
  const older = builds
    .filter((each) => each !== wanted)
    .sort((a, b) => (isNewer(versionOf(a), versionOf(b)) ? -1 : isNewer(versionOf(b), versionOf(a)) ? 1 : 0));
  for (const build of older.slice(keptOlder)) await tell(far, `drop ${build}`, 'done');
}
