import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chooseDocker, type DockerChoice } from '../../../engine/runtime/container/dockerEndpoints.ts';

const hash = (name: string): string => createHash('sha256').update(name).digest('hex');
const config = '/home/ann/.docker';
const meta = (name: string, host: string, more: object = {}): Record<string, string> => ({
  [`${config}/contexts/meta/${hash(name)}/meta.json`]: JSON.stringify({
    Name: name,
    Metadata: {},
    Endpoints: { docker: { Host: host, SkipTLSVerify: false, ...more } },
  }),
});
const tls = (name: string): Record<string, string> =>
  Object.fromEntries(
    ['ca', 'cert', 'key'].map((part) => [`${config}/contexts/tls/${hash(name)}/docker/${part}.pem`, 'PEM']),
  );
const current = (name: string): Record<string, string> => ({
  [`${config}/config.json`]: JSON.stringify({ auths: {}, currentContext: name }),
});

interface Case {
  title: string;
  variables?: Record<string, string>;
  files?: Record<string, string>;
  platform?: NodeJS.Platform;
  /** Addresses in order, with who named the first. */
  finds?: { addresses: readonly string[]; named: string };
  refuses?: RegExp;
}

const usual = [
  ...['unix:///var/run/docker.sock', 'unix:///run/user/1000/docker.sock'],
  ...['unix:///home/ann/.docker/run/docker.sock', 'unix:///run/user/1000/podman/podman.sock'],
  'unix:///run/podman/podman.sock',
];
const runtime = { XDG_RUNTIME_DIR: '/run/user/1000' };

const cases: readonly Case[] = [
  {
    title: 'nothing is named: the sockets at which one usually listens, in order',
    variables: runtime,
    finds: { addresses: usual, named: 'the usual socket' },
  },
  {
    title: 'an empty variable names nothing',
    variables: { ...runtime, DOCKER_HOST: '', DOCKER_CONTEXT: '' },
    finds: { addresses: usual, named: 'the usual socket' },
  },
  {
    title: 'a configuration without a current context names nothing',
    variables: runtime,
    files: { [`${config}/config.json`]: '{"auths":{}}' },
    finds: { addresses: usual, named: 'the usual socket' },
  },
  {
    title: 'DOCKER_HOST wins over DOCKER_CONTEXT and the current context',
    variables: { DOCKER_HOST: 'unix:///tmp/d.sock', DOCKER_CONTEXT: 'desk' },
    files: { ...current('desk'), ...meta('desk', 'unix:///desk.sock') },
    finds: { addresses: ['unix:///tmp/d.sock'], named: 'DOCKER_HOST' },
  },
  {
    title: 'DOCKER_CONTEXT wins over the current context',
    variables: { DOCKER_CONTEXT: 'desk' },
    files: { ...current('other'), ...meta('desk', 'unix:///desk.sock'), ...meta('other', 'unix:///o.sock') },
    finds: { addresses: ['unix:///desk.sock'], named: 'the context "desk"' },
  },
  {
    title: 'DOCKER_CONTEXT=default leaves the current context',
    variables: { ...runtime, DOCKER_CONTEXT: 'default' },
    files: { ...current('desk'), ...meta('desk', 'unix:///desk.sock') },
    finds: { addresses: usual, named: 'the usual socket' },
  },
  {
    title: 'the current context counts',
    files: {
      ...current('desktop-linux'),
      ...meta('desktop-linux', 'unix:///home/ann/.docker/desktop/d.sock'),
    },
    finds: { addresses: ['unix:///home/ann/.docker/desktop/d.sock'], named: 'the context "desktop-linux"' },
  },
  {
    title: 'DOCKER_CONFIG names the folder of the configuration',
    variables: { DOCKER_CONFIG: '/etc/dock' },
    files: Object.fromEntries(
      Object.entries({ ...current('desk'), ...meta('desk', 'unix:///desk.sock') }).map(([file, text]) => [
        file.replace(config, '/etc/dock'),
        text,
      ]),
    ),
    finds: { addresses: ['unix:///desk.sock'], named: 'the context "desk"' },
  },
  {
    title: 'the TLS files of a context',
    variables: { DOCKER_CONTEXT: 'far' },
    files: { ...meta('far', 'tcp://127.0.0.1:2376'), ...tls('far') },
    finds: {
      addresses: [`tcp://127.0.0.1:2376 tls ${config}/contexts/tls/${hash('far')}/docker/ca.pem verified`],
      named: 'the context "far"',
    },
  },
  {
    title: 'a context that skips the check of the certificate',
    variables: { DOCKER_CONTEXT: 'far' },
    files: { ...meta('far', 'tcp://127.0.0.1:2376', { SkipTLSVerify: true }), ...tls('far') },
    finds: {
      addresses: [`tcp://127.0.0.1:2376 tls ${config}/contexts/tls/${hash('far')}/docker/ca.pem believed`],
      named: 'the context "far"',
    },
  },
  {
    title: 'DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, and the port of TLS',
    variables: { DOCKER_HOST: 'tcp://db', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/certs' },
    files: { '/certs/ca.pem': 'PEM', '/certs/cert.pem': 'PEM', '/certs/key.pem': 'PEM' },
    finds: { addresses: ['tcp://db:2376 tls /certs/ca.pem verified'], named: 'DOCKER_HOST' },
  },
  {
    title: 'DOCKER_TLS without certificates',
    variables: { DOCKER_HOST: 'tcp://db:99', DOCKER_TLS: '1' },
    finds: { addresses: ['tcp://db:99 tls - believed'], named: 'DOCKER_HOST' },
  },
  {
    title: 'an address without a scheme and without a port',
    variables: { DOCKER_HOST: '127.0.0.1' },
    finds: { addresses: ['tcp://127.0.0.1:2375'], named: 'DOCKER_HOST' },
  },
  {
    title: 'the pipe of Windows',
    platform: 'win32',
    finds: { addresses: ['unix:////./pipe/docker_engine'], named: 'the usual pipe' },
  },
  {
    title: 'a context that is not there, with those that are',
    variables: { DOCKER_CONTEXT: 'gone' },
    files: { ...meta('desk', 'unix:///desk.sock'), ...meta('big', 'unix:///big.sock') },
    refuses: /DOCKER_CONTEXT is "gone", and no context has that name \(there are big, desk\)/,
  },
  {
    title: 'a current context that is not there',
    files: current('gone'),
    refuses: /the current context is "gone", and no context has that name \(there is none\)/,
  },
  {
    title: 'ssh',
    variables: { DOCKER_HOST: 'ssh://ann@big' },
    refuses: /another machine.*host add NAME ssh:\/\/ann@big/,
  },
  { title: 'a socket without a path', variables: { DOCKER_HOST: 'unix://' }, refuses: /names no socket/ },
  { title: 'nonsense', variables: { DOCKER_HOST: 'tcp://' }, refuses: /is no address/ },
  {
    title: 'a configuration that is no JSON',
    files: { [`${config}/config.json`]: '{' },
    refuses: /config\.json is no JSON/,
  },
  {
    title: 'a context without an engine',
    variables: { DOCKER_CONTEXT: 'k8s' },
    files: { [`${config}/contexts/meta/${hash('k8s')}/meta.json`]: '{"Name":"k8s","Endpoints":{}}' },
    refuses: /the context "k8s" names no Docker Engine/,
  },
];

function told(choice: DockerChoice): readonly string[] {
  assert.ok(choice.ok, choice.ok ? '' : choice.problem);
  return choice.endpoints.map(({ address }) => {
    if (address.kind === 'socket') return `unix://${address.path}`;
    const { tls: files } = address;
    const secure =
      files === undefined ? '' : ` tls ${files.ca ?? '-'} ${files.verify ? 'verified' : 'believed'}`;
    return `tcp://${address.host}:${address.port}${secure}`;
  });
}

describe('which Docker Engine is meant', () => {
  for (const { title, variables = {}, files = {}, platform = 'linux', finds, refuses } of cases) {
    it(title, async () => {
      const choice = await chooseDocker({
        ...{ variables, platform, home: '/home/ann' },
        files: {
          read: async (file) => files[file],
          stat: async (file) =>
            files[file] === undefined
              ? undefined
              : { kind: 'file', bytes: 1, mode: 0o600, modifiedAt: new Date(0), owner: 0 },
          list: async (folder) => {
            const below = Object.keys(files).filter((file) => file.startsWith(`${folder}/`));
            const names = new Set(below.map((file) => file.slice(folder.length + 1).split('/')[0] ?? ''));
            return [...names].map((name) => ({ name, kind: 'directory' as const }));
          },
        },
      });
      if (finds !== undefined) {
        assert.deepEqual(told(choice), finds.addresses);
        assert.equal(choice.ok && choice.endpoints[0]?.named, finds.named);
      }
      if (refuses !== undefined) {
        assert.ok(!choice.ok, JSON.stringify(choice));
        assert.match(`${choice.problem}. ${choice.advice}`, refuses);
      }
    });
  }
});
