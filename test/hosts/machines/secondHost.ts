/**
 * A second host on this machine: an sshd of its own on a loopback port, and for root also accounts, homes, processes and
 * mounts of its own, in namespaces that end with it. Nothing of this machine's own accounts or services is touched.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureSystemPackages } from '../../support/systemPackages.ts';

const run = promisify(execFile);
const SSHD = '/usr/sbin/sshd';

export interface Account {
  readonly name: string;
  readonly shell: string;
  /** Files of its home: path and text; one that begins with #! may be run. */
  readonly files?: Readonly<Record<string, string>>;
  /** Its home is a file system of its own, mounted with these options ("size=5m", "noexec", "ro"). */
  readonly mount?: string;
  /** May log in with this and with no key; else with the key. */
  readonly password?: string;
}

export interface SecondHostOptions {
  /** Root only: who has an account there, beside nobody. */
  readonly accounts?: readonly Account[];
  /** More lines for sshd's configuration. */
  readonly sshd?: readonly string[];
}

export interface ClientOptions {
  /** Default: that of the host; a proxy's. */
  readonly port?: number;
  /** Lines for known_hosts; default: the key of this host. Null: nothing is known. */
  readonly known?: string | null;
  /** Default: the key that the accounts accept. */
  readonly identity?: string;
  /** More lines of the configuration, before ours. */
  readonly lines?: readonly string[];
}

export interface SecondHost {
  readonly port: number;
  /** SHA256:... of its key. */
  readonly fingerprint: string;
  /** The accounts that can log in. */
  readonly users: readonly string[];
  /** Files of the host as seen from here: "/home/ann". */
  path(there: string): string;
  /** A configuration of ssh for -F, in which the host is named `big`. */
  clientConfig(options?: ClientOptions): Promise<{ file: string; knownHosts: string }>;
  /** A key with this passphrase that the accounts accept. */
  readonly lockedKey: { file: string; passphrase: string };
  /** What sshd said. */
  log(): string;
  close(): Promise<void>;
}

/** Why there can be none, or undefined. Installs sshd where that is possible. */
export async function noSecondHost(...packages: readonly string[]): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'the second host needs Linux';
  const { missing } = await ensureSystemPackages(['openssh-server', ...packages]);
  return missing.length === 0
    ? undefined
    : missing.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
}

export async function startSecondHost(options: SecondHostOptions = {}): Promise<SecondHost> {
  const folder = await mkdtemp(join(tmpdir(), 'tc-host-'));
  await chmod(folder, 0o755);
  const root = process.getuid?.() === 0;
  const accounts = root ? (options.accounts ?? []) : [];
  const at = (name: string): string => join(folder, name);
  const lockedKey = { file: at('locked_key'), passphrase: 'open sesame' };
  await keygen(at('host_key'), '');
  await keygen(at('client_key'), '');
  await keygen(lockedKey.file, lockedKey.passphrase);
  const accepted = `${await readFile(at('client_key.pub'), 'utf8')}${await readFile(`${lockedKey.file}.pub`, 'utf8')}`;
  await writeFile(at('authorized_keys'), accepted);
  await writeFile(at('nobody_keys'), '');
  const { stdout: shown } = await run('ssh-keygen', ['-l', '-f', at('host_key.pub')]);

  const passwords = accounts.filter(({ password }) => password !== undefined);
  const configuration = (port: number): string =>
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${at('host_key')}`,
      `PidFile ${at('sshd.pid')}`,
      `AuthorizedKeysFile ${at('authorized_keys')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitUserEnvironment yes',
      'PermitRootLogin no',
      'LogLevel VERBOSE',
      'MaxStartups 100:1:200',
      ...(options.sshd ?? []),
      ...passwords.flatMap(({ name }) => [
        `Match User ${name}`,
        'PasswordAuthentication yes',
        `AuthorizedKeysFile ${at('nobody_keys')}`,
      ]),
    ].join('\n');
  if (root) await writeMachine(folder, accounts);
  const { child, port, log } = await startSshd({ folder, configuration, root });
  const inside = root ? await childOf(child.pid ?? 0) : undefined;

  let configurations = 0;
  return {
    port,
    fingerprint: /SHA256:\S+/.exec(shown)?.[0] ?? '',
    users: root ? accounts.map(({ name }) => name) : [userInfo().username],
    path: (there) => (inside === undefined ? there : `/proc/${inside}/root${there}`),
    lockedKey,
    log,
    async clientConfig(client = {}) {
      configurations += 1;
      const [file, knownHosts] = [at(`client${configurations}`), at(`known${configurations}`)];
      const seenPort = client.port ?? port;
      const [kind, key] = (await readFile(at('host_key.pub'), 'utf8')).split(' ');
      const known =
        client.known === undefined ? `[127.0.0.1]:${seenPort} ${kind} ${key}\n` : (client.known ?? '');
      await writeFile(knownHosts, known);
      const lines = [
        ...(client.lines ?? []),
        'Host big',
        '  HostName 127.0.0.1',
        `  Port ${seenPort}`,
        'Host *',
        `  UserKnownHostsFile ${knownHosts}`,
        '  GlobalKnownHostsFile /dev/null',
        `  IdentityFile ${client.identity ?? at('client_key')}`,
        '  IdentitiesOnly yes',
        '  IdentityAgent none',
      ];
      await writeFile(file, `${lines.join('\n')}\n`);
      return { file, knownHosts };
    },
    async close() {
      await end(child, root);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function keygen(file: string, passphrase: string): Promise<void> {
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-a', '1', '-N', passphrase, '-C', 'test', '-f', file]);
}

const firstUid = 61_000;
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** The accounts, and the script that makes a machine of them before sshd starts. */
async function writeMachine(folder: string, accounts: readonly Account[]): Promise<void> {
  const passwd = ['root:x:0:0:root:/root:/bin/bash', 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin'];
  const shadow = ['root:*:19000:0:99999:7:::', 'sshd:*:19000:0:99999:7:::'];
  const group = ['root:x:0:', 'nogroup:x:65534:'];
  const script = ['set -e', 'mount -t tmpfs -o mode=0755 tmpfs /home'];
  for (const [index, { name, shell, files, mount, password }] of accounts.entries()) {
    const id = firstUid + index;
    const hash =
      password === undefined ? '*' : (await run('openssl', ['passwd', '-6', password])).stdout.trim();
    passwd.push(`${name}:x:${id}:${id}::/home/${name}:${shell}`);
    shadow.push(`${name}:${hash}:19000:0:99999:7:::`);
    group.push(`${name}:x:${id}:`);
    const home = `/home/${name}`;
    script.push(`mkdir ${home}`);
    const options = mount?.split(',') ?? [];
    if (mount !== undefined)
      script.push(
        `mount -t tmpfs -o ${['mode=0755', ...options.filter((each) => each !== 'ro')].join(',')} tmpfs ${home}`,
      );
    for (const [path, text] of Object.entries(files ?? {})) {
      script.push(`mkdir -p "$(dirname ${quoted(`${home}/${path}`)})"`);
      script.push(`printf %s ${quoted(text)} > ${quoted(`${home}/${path}`)}`);
      if (text.startsWith('#!')) script.push(`chmod +x ${quoted(`${home}/${path}`)}`);
    }
    script.push(`chown -R ${id}:${id} ${home}`);
    if (options.includes('ro')) script.push(`mount -o remount,ro ${home}`);
  }
  for (const [name, lines] of Object.entries({ passwd, shadow, group })) {
    await writeFile(join(folder, name), `${lines.join('\n')}\n`, { mode: name === 'shadow' ? 0o600 : 0o644 });
    script.push(`mount --bind ${quoted(join(folder, name))} /etc/${name}`);
  }
  script.push('mkdir -p -m 0755 /run/sshd', `exec ${SSHD} -D -e -f ${quoted(join(folder, 'sshd_config'))}`);
  await writeFile(join(folder, 'machine.sh'), `${script.join('\n')}\n`);
}

/** For `unshare`: mounts and processes of its own, which end with it. */
export const ownNamespaces: readonly string[] = [
  '--mount',
  '--propagation',
  'private',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
];

async function startSshd(options: {
  folder: string;
  configuration: (port: number) => string;
  root: boolean;
}): Promise<{ child: ChildProcess; port: number; log: () => string }> {
  const { folder, root } = options;
  for (;;) {
    const port = await freePort();
    await writeFile(join(folder, 'sshd_config'), `${options.configuration(port)}\n`);
    const child = root
      ? spawn('unshare', [...ownNamespaces, 'sh', join(folder, 'machine.sh')], {
          stdio: ['ignore', 'pipe', 'pipe'],
        })
      : spawn(SSHD, ['-D', '-e', '-f', join(folder, 'sshd_config')], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const outcome = await new Promise<'listens' | 'taken' | 'ended'>((resolve) => {
      const listen = (chunk: Buffer): void => {
        said += chunk.toString();
        if (said.includes('Server listening on')) resolve('listens');
        if (said.includes('Address already in use')) resolve('taken');
      };
      child.stdout.on('data', listen);
      child.stderr.on('data', listen);
      child.once('exit', () => resolve('ended'));
    });
    if (outcome === 'listens') return { child, port, log: () => said };
    await end(child, root);
    if (outcome === 'ended') throw new Error(`sshd did not start: ${said}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function childOf(pid: number): Promise<string> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.trim().split(' ')[0] ?? '';
}

/** With its namespaces everything that runs in them ends; without, the sessions of sshd end with their connections. */
async function end(child: ChildProcess, root: boolean): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const inside = root ? await childOf(child.pid ?? 0) : undefined;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(root ? 'SIGKILL' : 'SIGTERM');
  await exited;
  while (inside !== undefined && inside !== '' && (await exists(`/proc/${inside}/root/`)))
    await new Promise((resolve) => setTimeout(resolve, 5));
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
