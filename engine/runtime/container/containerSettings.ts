/** What every container of ours is made with: nothing that it does not need, and the labels by which it is found again. */
import path from 'node:path';
import type Docker from 'dockerode';
import type { ServerLimits } from '../../domain/serverLimits.ts';
import type { PinnedImage } from '../../protocol/entities.ts';
import type { DockerEngine } from './dockerEngine.ts';

export const LABELS = {
  /** Whose it is. */
  installation: 'thin-clones.installation',
  /** Of a server. */
  identity: 'thin-clones.dataset',
  data: 'thin-clones.data',
  /** Of a program that runs once. */
  run: 'thin-clones.run',
} as const;

export interface DataOwner {
  name: string;
  uid: number;
  gid: number;
}

export interface Mount {
  path: string;
  readOnly?: boolean;
}

export interface ContainerSettings {
  image: PinnedImage;
  program: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  owner: DataOwner;
  /** A file with the owner in it, for who asks for a user's name. */
  passwd: string;
  mounts: readonly Mount[];
  labels: Readonly<Record<string, string>>;
  /** Folders that the image wants volumes at. */
  volumes: readonly string[];
  limits?: ServerLimits | undefined;
}

/** PostgreSQL's parallel workers share memory here; it is taken as it is used. */
const SHARED_MEMORY_BYTES = 1024 ** 3;
/** Of what a server says where its log can't be written by itself. */
const LOG_SIZE = '10m';

export function containerSettings(
  engine: DockerEngine,
  settings: ContainerSettings,
): Docker.ContainerCreateOptions {
  const { image, program, args, env, owner, passwd, mounts, labels, volumes, limits } = settings;
  const bind = ({ path: place, readOnly = false }: Mount, target = place) => ({
    ...{ Type: 'bind' as const, Source: place, Target: target, ReadOnly: readOnly },
  });
  const covered = new Set(mounts.map((mount) => mount.path));
  return {
    Image: image.id,
    // The image's own start script would make users and data.
    Entrypoint: [program],
    Cmd: [...args],
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    User: `${owner.uid}:${owner.gid}`,
    WorkingDir: '/',
    Labels: { ...labels },
    Tty: false,
    // One of the image would run inside, as often as it likes.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      // Addresses are those of this machine, and the server is told to listen on loopback alone.
      NetworkMode: 'host',
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges', 'label=disable'],
      ReadonlyRootfs: true,
      Tmpfs: Object.fromEntries(
        ['/tmp', '/run', ...volumes]
          .filter((folder) => !covered.has(path.posix.normalize(folder)))
          .map((folder) => [folder, 'mode=1777']),
      ),
      Mounts: [bind({ path: passwd, readOnly: true }, '/etc/passwd'), ...mounts.map((mount) => bind(mount))],
      // The engine alone decides when a server runs.
      RestartPolicy: { Name: 'no' },
      ShmSize: SHARED_MEMORY_BYTES,
      LogConfig: { Type: 'json-file', Config: { 'max-size': LOG_SIZE, 'max-file': '1' } },
      ...(engine.mapsUsers ? { UsernsMode: 'host' } : {}),
      ...(limits?.memoryBytes === undefined
        ? {}
        : { Memory: limits.memoryBytes, MemorySwap: limits.memoryBytes }),
      ...(limits?.cpus === undefined ? {} : { NanoCpus: Math.round(limits.cpus * 1e9) }),
    },
  };
}
