/**
 * An ordinary user on ext4, made for a test: a mount namespace whose /etc is a copy that is thrown away, so that a real `sudo`
 * may change what it likes. Root on Linux only.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { homePaths } from '../../../engine/protocol/node/home.ts';
import type { Finished } from '../../cli/realCommand.ts';
import { endAllUnder } from '../../support/processesUnder.ts';
import { repository } from '../../support/engine.ts';
import { makePool, type TestPool } from '../../support/pools.ts';

export const alice = { name: 'alice', uid: 61_234, gid: 61_234 };

export interface OrdinaryUser {
  /** THIN_CLONES_HOME. */
  home: string;
  node: string;
  folder: string;
  /** By root, in the namespace. */
  asRoot(program: string, ...args: string[]): Promise<Finished>;
  /** By the user, with the environment of a login. */
  run(
    program: string,
    args: readonly string[],
    variables?: Readonly<Record<string, string>>,
  ): Promise<Finished>;
  thinClones(...args: string[]): Promise<Finished>;
  /** What /etc/fstab says there. */
  fstab(): Promise<string>;
  /** sudo without a password, or not at all without one. */
  mayBecomeRoot(may: boolean): Promise<void>;
  dispose(): Promise<void>;
}

function finished(child: ChildProcess): Promise<Finished> {
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
}

export async function makeOrdinaryUser(): Promise<OrdinaryUser> {
  const pool: TestPool = await makePool('ext4', 8192);
  const folder = pool.path;
  await chmod(join(folder, '..'), 0o755);
  const place = (name: string): string => join(folder, name);
  for (const name of ['upper', 'work', 'alice', 'checkout']) await mkdir(place(name));
  await chown(place('alice'), alice.uid, alice.gid);
  const namespace = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', 'echo up; cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(namespace.stdout, 'data');
  const inside = ['--target', String(namespace.pid), '--mount', '--'];
  const asRoot: OrdinaryUser['asRoot'] = (...words) =>
    finished(spawn('nsenter', [...inside, ...words], { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' }));
  const done = async (...words: [string, ...string[]]): Promise<void> => {
    const { code, stderr } = await asRoot(...words);
    assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
  };
  const layers = `lowerdir=/etc,upperdir=${place('upper')},workdir=${place('work')}`;
  await done('mount', '-t', 'overlay', 'overlay', '-o', layers, '/etc');
  await done('mount', '--bind', repository, place('checkout'));
  const upper = async (name: string, text: string, mode = 0o644): Promise<void> => {
    await writeFile(place('text'), text);
    await done('install', '-D', '-m', mode.toString(8), place('text'), join('/etc', name));
  };
  const { uid, gid, name } = alice;
  await upper(
    'passwd',
    `${await readFile('/etc/passwd', 'utf8')}${name}:x:${uid}:${gid}::${place(name)}:/bin/sh\n`,
  );
  await upper('group', `${await readFile('/etc/group', 'utf8')}${name}:x:${gid}:\n`);
  await upper('shadow', `${await readFile('/etc/shadow', 'utf8')}${name}:*:20000:0:99999:7:::\n`, 0o640);

  const home = join(place('alice'), 'thin clones');
  // Where the checkout itself is closed to others.
  const node = process.execPath.startsWith(`${repository}/`)
    ? join(place('checkout'), relative(repository, process.execPath))
    : process.execPath;
  const run: OrdinaryUser['run'] = (program, args, variables = {}) =>
    finished(
      spawn(
        'nsenter',
        [
          ...inside,
          ...['runuser', '-u', name, '--', 'env', '-i', '-C', place('alice')],
          ...Object.entries({
            ...{ PATH: '/usr/local/bin:/usr/bin:/bin', HOME: place('alice'), USER: name },
            ...{ THIN_CLONES_HOME: home, NODE_OPTIONS: '--disable-warning=ExperimentalWarning' },
            ...variables,
          }).map(([key, value]) => `${key}=${value}`),
          ...[program, ...args],
        ],
        { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' },
      ),
    );
  return {
    ...{ home, node, folder, asRoot, run },
    thinClones: (...args) => run(node, [join(place('checkout'), 'engine', 'cli', 'main.ts'), ...args]),
    fstab: async () => (await asRoot('cat', '/etc/fstab')).stdout,
    mayBecomeRoot: (may) => upper('sudoers.d/alice', may ? `${name} ALL=(ALL) NOPASSWD: ALL\n` : '\n', 0o440),
    async dispose() {
      await endAllUnder([place('alice')]);
      // The home's path is long, so its sockets lie elsewhere.
      const { socketRoot } = homePaths({
        ...{ variables: { THIN_CLONES_HOME: home }, platform: process.platform, uid },
      });
      if (!socketRoot.startsWith(home)) await rm(socketRoot, { recursive: true, force: true });
      namespace.stdin.end();
      await once(namespace, 'close');
      await pool.dispose();
    },
  };
}
