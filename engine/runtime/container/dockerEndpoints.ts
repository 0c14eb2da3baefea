/**
 * Decides which Docker Engine is meant, as Docker's own command does: DOCKER_HOST, else DOCKER_CONTEXT, else the current context,
 * else the sockets at which one usually listens, Podman's too.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { MachineFiles } from '../../machine/machine.ts';

export interface TlsFiles {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  /** false: whoever answers is believed. */
  verify: boolean;
}

export type DockerAddress =
  { kind: 'socket'; path: string } | { kind: 'tcp'; host: string; port: number; tls?: TlsFiles };

export interface DockerEndpoint {
  address: DockerAddress;
  /** For people: who named it. */
  named: string;
}

export type DockerChoice =
  /** The first that answers is it; where one was named, there is no other. */
  | { ok: true; endpoints: readonly DockerEndpoint[] }
  /** As "DOCKER_CONTEXT names ...". */
  | { ok: false; problem: string; advice: string };

export interface DockerSurroundings {
  variables: Readonly<Record<string, string | undefined>>;
  platform: NodeJS.Platform;
  home: string;
  files: Pick<MachineFiles, 'read' | 'list' | 'stat'>;
}

/** https://docs.docker.com/reference/cli/docker/#environment-variables */
export async function chooseDocker(surroundings: DockerSurroundings): Promise<DockerChoice> {
  const { variables } = surroundings;
  const folder = given(variables['DOCKER_CONFIG']) ?? path.join(surroundings.home, '.docker');
  const host = given(variables['DOCKER_HOST']);
  if (host !== undefined) {
    const tls = await variableTls(surroundings, folder);
    return oneEndpoint(host, 'DOCKER_HOST', tls);
  }
  const chosen = given(variables['DOCKER_CONTEXT']);
  const named = chosen === undefined ? 'the current context' : 'DOCKER_CONTEXT';
  const current = chosen === undefined ? await currentContext(surroundings, folder) : { name: chosen };
  if ('problem' in current) return { ok: false, ...current };
  if (current.name === 'default') return { ok: true, endpoints: usualSockets(surroundings) };
  return await contextEndpoint(surroundings, folder, current.name, named);
}

/** An empty variable counts as none. */
const given = (value: string | undefined): string | undefined =>
  value === undefined || value === '' ? undefined : value;

interface Refusal {
  problem: string;
  advice: string;
}

async function currentContext(
  { files }: DockerSurroundings,
  folder: string,
): Promise<{ name: string } | Refusal> {
  const file = path.join(folder, 'config.json');
  const text = await files.read(file);
  if (text === undefined) return { name: 'default' };
  const content = parsed(text);
  if (content === undefined)
    return { problem: `${file} is no JSON`, advice: `Mend ${file}, or name the engine by DOCKER_HOST.` };
  const name = textOf(field(content, 'currentContext'));
  return { name: name === undefined || name === '' ? 'default' : name };
}

/** A context lies in a folder that is named by the hash of its name (docker/cli, cli/context/store). */
const folderOf = (name: string): string => createHash('sha256').update(name).digest('hex');

async function contextEndpoint(
  surroundings: DockerSurroundings,
  folder: string,
  name: string,
  named: string,
): Promise<DockerChoice> {
  const { files } = surroundings;
  const meta = path.join(folder, 'contexts', 'meta', folderOf(name), 'meta.json');
  const text = await files.read(meta);
  if (text === undefined) {
    const known = await contextNames(surroundings, folder);
    const others = known.length === 0 ? 'there is none' : `there are ${known.join(', ')}`;
    return {
      ok: false,
      problem: `${named} is "${name}", and no context has that name (${others})`,
      advice: 'Choose one (docker context use default), or name the engine by DOCKER_HOST.',
    };
  }
  const endpoint = field(field(parsed(text), 'Endpoints'), 'docker');
  const host = textOf(field(endpoint, 'Host'));
  if (host === undefined || host === '')
    return {
      ok: false,
      problem: `the context "${name}" names no Docker Engine (${meta})`,
      advice: `Make it anew (docker context create ${name} --docker host=...), or use another one.`,
    };
  const tls = await tlsIn(files, path.join(folder, 'contexts', 'tls', folderOf(name), 'docker'), {
    verify: field(endpoint, 'SkipTLSVerify') !== true,
  });
  return oneEndpoint(host, `the context "${name}"`, tls);
}

async function contextNames({ files }: DockerSurroundings, folder: string): Promise<readonly string[]> {
  const root = path.join(folder, 'contexts', 'meta');
  const names: string[] = [];
  for (const { name } of await files.list(root)) {
    const text = await files.read(path.join(root, name, 'meta.json'));
    const found = text === undefined ? undefined : textOf(field(parsed(text), 'Name'));
    if (found !== undefined) names.push(found);
  }
  return names.sort();
}

async function tlsIn(
  files: DockerSurroundings['files'],
  folder: string,
  { verify }: Pick<TlsFiles, 'verify'>,
): Promise<TlsFiles | undefined> {
  const found = await Promise.all(
    (['ca', 'cert', 'key'] as const).map(async (name) => {
      const file = path.join(folder, `${name}.pem`);
      return (await files.stat(file)) === undefined ? undefined : file;
    }),
  );
  const [ca, cert, key] = found;
  if (found.every((file) => file === undefined)) return undefined;
  return { ca, cert, key, verify };
}

/** DOCKER_TLS_VERIFY with any value asks for TLS and a certificate that is checked, DOCKER_TLS for TLS alone. */
async function variableTls(
  { variables, files }: DockerSurroundings,
  folder: string,
): Promise<TlsFiles | undefined> {
  const verify = given(variables['DOCKER_TLS_VERIFY']) !== undefined;
  if (!verify && given(variables['DOCKER_TLS']) === undefined) return undefined;
  const place = given(variables['DOCKER_CERT_PATH']) ?? folder;
  return (await tlsIn(files, place, { verify })) ?? { verify };
}

const PLAIN_PORT = 2375;
const TLS_PORT = 2376;

function oneEndpoint(host: string, named: string, tls: TlsFiles | undefined): DockerChoice {
  const [, scheme = 'tcp', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/i.exec(host) ?? [];
  const refuse = (problem: string, advice: string): DockerChoice => ({ ok: false, problem, advice });
  switch (scheme.toLowerCase()) {
    case 'unix':
    case 'npipe':
      if (rest === '') return refuse(`${named} is ${host}, which names no socket`, 'Name it with its path.');
      return { ok: true, endpoints: [{ address: { kind: 'socket', path: rest }, named }] };
    case 'tcp':
    case 'http':
    case 'https': {
      const url = URL.parse(`tcp://${rest}`);
      if (url === null || url.hostname === '')
        return refuse(`${named} is ${host}, which is no address`, 'Write it as tcp://HOST:PORT.');
      const secure = tls ?? (scheme === 'https' ? { verify: true } : undefined);
      const port = url.port === '' ? (secure === undefined ? PLAIN_PORT : TLS_PORT) : Number(url.port);
      const address = { kind: 'tcp', host: url.hostname, port, ...(secure && { tls: secure }) } as const;
      return { ok: true, endpoints: [{ address, named }] };
    }
    default:
      return refuse(
        `${named} is ${host}: the Docker Engine of another machine can't use the data of this one`,
        scheme === 'ssh'
          ? `Add that machine as a host instead: thin-clones host add NAME ${host}`
          : 'Use an engine of this machine (docker context use default).',
      );
  }
}

/** In the order in which they are tried. */
function usualSockets({ variables, platform, home }: DockerSurroundings): readonly DockerEndpoint[] {
  const socket = (file: string, named: string): DockerEndpoint => ({
    address: { kind: 'socket', path: file },
    named,
  });
  if (platform === 'win32') return [socket('//./pipe/docker_engine', 'the usual pipe')];
  const runtime = given(variables['XDG_RUNTIME_DIR']);
  return [
    socket('/var/run/docker.sock', 'the usual socket'),
    ...(runtime === undefined ? [] : [socket(path.join(runtime, 'docker.sock'), 'the socket without root')]),
    socket(path.join(home, '.docker', 'run', 'docker.sock'), 'the socket of Docker Desktop'),
    ...(runtime === undefined
      ? []
      : [socket(path.join(runtime, 'podman', 'podman.sock'), "Podman's socket without root")]),
    ...(platform === 'linux' ? [socket('/run/podman/podman.sock', "Podman's socket")] : []),
  ];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
