/**
 * A machine with real ZFS, emulated by QEMU: it is slow (a `zfs` command takes 0.2 to 1 s), so nothing there is judged by
 * time. Its only door is sshd on a loopback port of this machine, and it ends with the process that started it.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, type PathLike } from 'node:fs';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import type { MachineImage } from './prepare.ts';

const run = promisify(execFile);

const kernelArguments = [
  ...['root=/dev/vda', 'rootfstype=ext4', 'rw', 'console=ttyS0', 'quiet', 'loglevel=4', 'net.ifnames=0'],
  ...['mitigations=off', 'nokaslr', 'apparmor=0', 'audit=0', 'selinux=0', 'fsck.mode=skip', 'panic=-1'],
  ...['tsc=reliable', 'no_timer_check'],
];

export interface ZfsMachine {
  /** For ssh's -F: the machine is named `big`. */
  readonly configFile: string;
  /** Runs a script of sh, which ends at the first command that fails, and tells what it printed. */
  sh(script: string, user?: string): Promise<string>;
  /** Puts a file there, which may be run. */
  put(file: PathLike, there: string): Promise<void>;
  /** As a person does it: everything is stopped in order. Resolves when a login works again. */
  reboot(): Promise<void>;
  close(): Promise<void>;
}

/** `poolBytes`: of the disk with the empty partition /dev/vdb1. */
export async function startZfsMachine(
  { folder: image }: MachineImage,
  poolBytes = 4 * 2 ** 30,
): Promise<ZfsMachine> {
  const folder = await mkdtemp(join(tmpdir(), 'tc-zfs-'));
  const at = (name: string): string => join(folder, name);
  const disk = ['create', '-q', '-f', 'qcow2'];
  await run('qemu-img', [...disk, '-F', 'raw', '-b', join(image, 'root.img'), at('root.qcow2')]);
  // With its partition: zpool, which would make one, waits 30 s for it to show itself, and that is too short here.
  await writeFile(at('pool.raw'), '');
  await truncate(at('pool.raw'), poolBytes);
  const parted = run('sfdisk', ['--quiet', at('pool.raw')]);
  parted.child.stdin?.end('label: gpt\nsize=+\n');
  await parted;
  const port = await freePort();
  await writeFile(
    at('known_hosts'),
    `[127.0.0.1]:${port} ${await readFile(join(image, 'host_key.pub'), 'utf8')}`,
  );
  await writeFile(at('ssh_config'), configuration(port, image, at('known_hosts')));

  const ssh = (user: string, ...command: readonly string[]): readonly string[] => [
    ...['-F', at('ssh_config'), '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR', `${user}@big`],
    ...command,
  ];
  let qemu: ChildProcess | undefined;
  const boot = async (): Promise<void> => {
    qemu = launch({ image, at, port });
    const ended = once(qemu, 'exit');
    // best effort: it is asked again until somebody answers, or the machine has ended.
    const answers = (): Promise<boolean> =>
      run('ssh', [...ssh('root', 'true')], { timeout: 60_000 }).then(
        () => true,
        () => false,
      );
    for (;;) {
      const isEnded = Promise.race([ended.then(() => 'ended' as const), answers()]);
      const outcome = await isEnded;
      if (outcome === true) return;
      if (outcome === 'ended')
        throw new Error(`the machine ended: ${(await readFile(at('console.log'), 'utf8')).slice(-2000)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const close = async (): Promise<void> => {
    if (qemu?.exitCode === null && qemu.signalCode === null) {
      const ended = once(qemu, 'exit');
      qemu.kill('SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await boot();
  } catch (error) {
    await close();
    throw error;
  }

  return {
    configFile: at('ssh_config'),
    async sh(script, user = 'root') {
      const child = spawn('ssh', [...ssh(user, 'sh', '-e')], { stdio: ['pipe', 'pipe', 'pipe'] });
      const said = { out: '', err: '' };
      child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()));
      child.stdin.end(`{ ${script}\n} </dev/null`);
      const [code] = (await once(child, 'close')) as [number | null];
      if (code !== 0) throw new Error(`code ${String(code)} of:\n${script}\n${said.out}${said.err}`);
      return said.out;
    },
    async put(file, there) {
      const words = ['gzip', '-dc', '>', there, '&&', 'chmod', '755', there];
      const child = spawn('ssh', [...ssh('root', ...words)], { stdio: ['pipe', 'ignore', 'pipe'] });
      const ended = once(child, 'close');
      await pipeline(createReadStream(file), createGzip({ level: 1 }), child.stdin);
      const [code] = (await ended) as [number | null];
      if (code !== 0) throw new Error(`${there} was not written`);
    },
    async reboot() {
      const ended = qemu && once(qemu, 'exit');
      // best effort: the connection may break before it is answered.
      await run('ssh', [...ssh('root', 'systemctl', 'reboot', '--no-block')]).catch(() => undefined);
      await ended;
      await boot();
    },
    close,
  };
}

const configuration = (port: number, image: string, knownHosts: string): string =>
  [
    'Host big',
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    'Host *',
    '  StrictHostKeyChecking yes',
    `  UserKnownHostsFile ${knownHosts}`,
    '  GlobalKnownHostsFile /dev/null',
    `  IdentityFile ${join(image, 'id_ed25519')}`,
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    '  ConnectTimeout 60',
    '',
  ].join('\n');

interface Launch {
  image: string;
  at: (name: string) => string;
  port: number;
}

/** A reboot ends it (-no-reboot), as does the end of this process. */
function launch({ image, at, port }: Launch): ChildProcess {
  const drive = (name: string, format: 'qcow2' | 'raw'): string[] => [
    '-drive',
    `file=${at(name)},if=virtio,format=${format},cache=unsafe,discard=unmap`,
  ];
  return spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'nice', '-n', '5', 'qemu-system-x86_64'],
      ...['-M', 'q35,usb=off', '-accel', 'tcg,thread=multi,tb-size=512', '-cpu', 'Nehalem'],
      ...['-smp', '2', '-m', '2048', '-nodefaults', '-display', 'none', '-no-reboot'],
      ...['-kernel', join(image, 'vmlinuz'), '-initrd', join(image, 'initrd.img')],
      ...['-append', kernelArguments.join(' ')],
      ...[...drive('root.qcow2', 'qcow2'), ...drive('pool.raw', 'raw')],
      ...['-nic', `user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:${port}-:22`],
      ...['-device', 'virtio-rng-pci', '-serial', `file:${at('console.log')}`, '-monitor', 'none'],
    ],
    { stdio: 'ignore' },
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
