/** The Docker Engine of this machine: found once, one kept connection, and why there is none in words that help. */
import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import { release } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { Machine } from '../../machine/machine.ts';
import { fail, isFailure } from '../../protocol/errors.ts';
import { chooseDocker, type DockerEndpoint, type DockerSurroundings } from './dockerEndpoints.ts';

/** A daemon that lives answers in milliseconds. */
const PING_MS = 10_000;

export interface DockerEngine {
  readonly client: Docker;
  /** The daemon gives containers other users than this machine has, unless they say that they want none of it. */
  readonly mapsUsers: boolean;
}

export interface DockerConnection {
  /** Gives the work the engine. An engine that is not there any more is looked for anew by the next. Errors: `docker_unavailable`. */
  use<Value>(work: (engine: DockerEngine) => Promise<Value>): Promise<Value>;
}

export interface DockerConnectionOptions extends Pick<DockerSurroundings, 'variables' | 'home'> {
  machine: Pick<Machine, 'files' | 'platform' | 'run'>;
  /** Called once for each connection, before any other work. */
  onOpen?: (engine: DockerEngine) => Promise<void>;
}

export function connectDocker(options: DockerConnectionOptions): DockerConnection {
  let open: Promise<DockerEngine> | undefined;
  return {
    async use(work) {
      open ??= openEngine(options);
      const opened = open;
      try {
        return await work(await opened);
      } catch (error) {
        if (!isFailure(error, 'docker_unavailable') && !isUnreachable(error)) throw error;
        if (open === opened) open = undefined;
        if (isFailure(error)) throw error;
        throw unavailable(`it went away (${messageOf(error)})`, startIt, error);
      }
    },
  };
}

const startIt = 'Start it (sudo systemctl start docker), and try again.';
const unavailable = (problem: string, advice: string, cause?: unknown): Error =>
  fail('docker_unavailable', { problem, advice }, { cause });

async function openEngine(options: DockerConnectionOptions): Promise<DockerEngine> {
  const { machine, variables, home, onOpen } = options;
  const { files, platform } = machine;
  const choice = await chooseDocker({ variables, home, files, platform });
  if (!choice.ok) throw unavailable(choice.problem, choice.advice);
  const problems: { endpoint: DockerEndpoint; error: unknown }[] = [];
  for (const endpoint of choice.endpoints) {
    try {
      const client = await clientOf(endpoint, files);
      await answer(client);
      const engine = await examine(client, endpoint);
      await onOpen?.(engine);
      return engine;
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      problems.push({ endpoint, error });
    }
  }
  throw await explain(problems, options);
}

/** Rejects with ETIMEDOUT. */
async function answer(client: Docker): Promise<void> {
  const silence = new AbortController();
  const late = delay(PING_MS, undefined, { signal: silence.signal }).then(() => {
    throw Object.assign(new Error(`no answer within ${PING_MS / 1000} s`), { code: 'ETIMEDOUT' });
  });
  // best effort: nobody waits for it any more when the answer came
  late.catch(() => undefined);
  try {
    await Promise.race([client.ping(), late]);
  } finally {
    silence.abort();
  }
}

/** Its variables have been read: dockerode itself must not read them again. */
async function clientOf({ address }: DockerEndpoint, files: DockerSurroundings['files']): Promise<Docker> {
  // 0.9 MB: whoever has no image never reads it.
  const { default: Client } = await import('dockerode');
  const none = { host: undefined, port: undefined, ca: undefined, cert: undefined, key: undefined };
  const base = { ...none, timeout: undefined } as object;
  // Not in the types: docker-modem hands it on to Node.
  const plain = { ...base, agent: new Agent({ keepAlive: true }) };
  if (address.kind === 'socket') return new Client({ ...plain, socketPath: address.path });
  const { host, port, tls } = address;
  if (tls === undefined) return new Client({ ...plain, host, port, protocol: 'http' });
  const read = async (file: string | undefined): Promise<string | undefined> =>
    file === undefined ? undefined : await files.read(file);
  const [ca, cert, key] = await Promise.all([read(tls.ca), read(tls.cert), read(tls.key)]);
  const agent = new SecureAgent({
    keepAlive: true,
    rejectUnauthorized: tls.verify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
  const secure = { ...base, agent };
  return new Client({ ...secure, host, port, protocol: 'https' });
}

/** What `docker info` says, as far as it counts here. */
interface DockerInfo {
  OSType?: string;
  OperatingSystem?: string;
  KernelVersion?: string;
  SecurityOptions?: readonly string[] | null;
}

/** Containers use the folders, sockets and ports of this machine, as the owner of data: not every engine can give them that. */
async function examine(client: Docker, { named }: DockerEndpoint): Promise<DockerEngine> {
  const info = (await client.info()) as DockerInfo;
  const options = (info.SecurityOptions ?? []).flatMap((option) => option.split(','));
  if (info.OSType !== 'linux' || info.KernelVersion !== release()) {
    const system = info.OperatingSystem ?? 'another system';
    throw unavailable(
      `the one that ${named} leads to runs in a machine of its own (${system}), where sockets and data of this one can't be used`,
      'Use a Docker Engine that runs on this machine itself, or add that machine as a host.',
    );
  }
  if (options.includes('name=rootless'))
    throw unavailable(
      `the one that ${named} leads to runs without root, and can't run a server as the owner of its data`,
      'Use a Docker Engine that runs as root (docker context use default).',
    );
  return { client, mapsUsers: options.includes('name=userns') };
}

/** Nobody answers there, or nobody may ask. */
function isUnreachable(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && /^(?:E[A-Z]+|UND_ERR_.*|HPE_.*)$/.test(code);
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Of several sockets the one counts at which there is something. */
async function explain(
  problems: readonly { endpoint: DockerEndpoint; error: unknown }[],
  { machine }: DockerConnectionOptions,
): Promise<Error> {
  const telling = problems.find(({ error }) => codeOf(error) !== 'ENOENT') ?? problems[0];
  if (telling === undefined) throw new Error('no endpoint was tried');
  const { endpoint, error } = telling;
  const { address, named } = endpoint;
  const where = address.kind === 'socket' ? address.path : `${address.host}:${address.port}`;
  switch (codeOf(error)) {
    case 'ENOENT': {
      const places = problems.flatMap((each) =>
        each.endpoint.address.kind === 'socket' ? [each.endpoint.address.path] : [],
      );
      return unavailable(
        problems.length === 1 && named !== 'the usual socket'
          ? `${named} leads to ${where}, and there is no socket`
          : `there is no socket of one (looked for ${places.join(', ')})`,
        'Install and start Docker Engine or Podman, or name its socket by DOCKER_HOST.',
        error,
      );
    }
    case 'EACCES':
    case 'EPERM': {
      const group = await groupOf(machine, where);
      return unavailable(
        `you may not use its socket ${where}${group === undefined ? '' : `, which belongs to the group ${group}`}`,
        group === undefined
          ? 'Ask whoever runs it for the right to use it.'
          : `Become a member (sudo usermod -aG ${group} "$USER"), log in again, and restart the engine (thin-clones engine stop). Members can do on this machine what root can.`,
        error,
      );
    }
    case 'ECONNREFUSED':
      return unavailable(`nobody listens at ${where}: its daemon does not run`, startIt, error);
    default:
      return unavailable(`${where} (${named}) does not answer: ${messageOf(error)}`, startIt, error);
  }
}

async function groupOf(machine: Pick<Machine, 'run'>, socket: string): Promise<string | undefined> {
  return await machine.run({
    program: 'stat',
    args: ['-L', '-c', '%G', '--', socket],
    env: { LC_ALL: 'C' },
    parse: ({ code, stdout }) => {
      const name = stdout.trim();
      return code !== 0 || name === '' || name === 'UNKNOWN' || name === 'root' ? undefined : name;
    },
  });
}

/** What the daemon answered with, where it refused: its status and its own words. */
export function dockerRefusal(error: unknown): { status: number; problem: string } | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number')
    return undefined;
  const json: unknown = 'json' in error ? error.json : undefined;
  const said = typeof json === 'object' && json !== null && 'message' in json ? json.message : undefined;
  return { status: error.statusCode, problem: typeof said === 'string' ? said.trim() : error.message };
}
