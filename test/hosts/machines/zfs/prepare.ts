/** Makes the disk of the emulated machine with ZFS once for each recipe, and keeps it in the checkout's cache. */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { describeMissing, ensureSystemPackages } from '../../../support/systemPackages.ts';
import { ownNamespaces } from '../secondHost.ts';

const run = promisify(execFile);
const recipe = ['make.sh', 'module.sh', 'zfs_config.h'].map((name) => join(import.meta.dirname, name));
const cache = join(import.meta.dirname, '..', '..', '..', '..', '.cache', 'zfs-machine');
const packages = [
  'qemu-system-x86',
  'qemu-utils',
  'mmdebstrap',
  'gcc-12',
  'make',
  'libelf1',
  'openssh-client',
  'e2fsprogs',
  'fdisk',
  'util-linux',
];
const lastLines = 15;

/** With vmlinuz, initrd.img, root.img, id_ed25519 and host_key.pub. */
export interface MachineImage {
  readonly folder: string;
}

/** Why there can be no emulated machine here, or undefined. Installs what is missing where that is possible. */
export async function noZfsMachine(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return 'the emulated machine with ZFS needs Linux on an x86-64 processor';
  if (process.getuid?.() !== 0) return 'to make the disk of the machine with ZFS needs root';
  const { missing } = await ensureSystemPackages(packages);
  if (missing.length > 0) return describeMissing(missing);
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(RELEASE)']);
  return stdout.split('\n').includes('bookworm') ? undefined : 'apt here knows no mirror of Debian 12';
}

export interface PrepareOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

/** Rejects with the last lines of what was being made. */
export async function prepareZfsMachine(options: PrepareOptions = {}): Promise<MachineImage> {
  const { signal, onProgress } = options;
  const contents = createHash('sha256');
  for (const file of recipe) contents.update(await readFile(file));
  const hash = contents.digest('hex').slice(0, 16);
  const folder = join(cache, hash);
  if (await exists(folder)) return { folder };
  await mkdir(cache, { recursive: true });
  const unfinished = await mkdtemp(join(cache, 'unfinished-'));
  try {
    await make(unfinished, signal, onProgress);
    await rename(unfinished, folder);
    // Of older recipes: a gigabyte each.
    for (const name of await readdir(cache))
      if (name !== hash && !name.startsWith('unfinished-')) await rm(join(cache, name), { recursive: true });
    return { folder };
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** In namespaces of its own: its mounts and processes end with it, whatever happens. */
async function make(
  folder: string,
  signal: AbortSignal | undefined,
  onProgress: ((text: string) => void) | undefined,
): Promise<void> {
  const child = spawn('nice', ['-n', '10', 'unshare', ...ownNamespaces, 'bash', recipe[0] ?? '', folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal, killSignal: 'SIGKILL' as const }),
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      said.push(line);
      if (said.length > lastLines) said.shift();
      if (line.startsWith('step: ')) onProgress?.(line.slice('step: '.length));
    });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`the machine with ZFS was not made: ${said.join('\n')}`);
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
