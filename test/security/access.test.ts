/** Who may ask what: tokens, hosts, origins and bodies over every route, on the socket and on TCP. */
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { chmod, lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import { routes } from '../../engine/protocol/routes.ts';
import { connectEngine } from '../../engine/protocol/node/launch.ts';
import { readDiscovery, type Discovery } from '../../engine/protocol/node/discovery.ts';
import { makeTestEngine, type TestEngine } from '../support/engine.ts';
import { ask, type RawRequest } from '../faults/rawRequest.ts';
import { listeners } from './listeners.ts';

const everyRoute: readonly { method: string; path: string }[] = [
  ...Object.values(routes).map(({ method, path }) => ({ method, path: path.replace(/:[a-z]+/g, 'x') })),
  { method: 'GET', path: '/v1/events' },
  { method: 'GET', path: '/v1/openapi.json' },
  { method: 'GET', path: '/' },
  { method: 'GET', path: '/v1/nothing' },
  { method: 'OPTIONS', path: '/v1/engine' },
];

describe('access to the engine', function () {
  this.timeout(60_000);
  let engine: TestEngine;
  let discovery: Discovery;
  before(async () => {
    engine = await makeTestEngine({
      variables: { THIN_CLONES_STORAGE_DRIVER: 'copy', THIN_CLONES_TCP_PORT: '0' },
    });
    await (await engine.client()).call('overview', {});
    const found = await readDiscovery(engine.paths.discovery);
    assert.ok(found?.tcpPort);
    discovery = found;
  });
  after(async () => {
    await engine.dispose();
    assert.deepEqual(engine.processes(), []);
  });

  const ways = (): { name: string; tcpPort: number | undefined }[] => [
    { name: 'socket', tcpPort: undefined },
    { name: 'TCP', tcpPort: discovery.tcpPort ?? 0 },
  ];
  const overEveryRoute = async (headers: RawRequest['headers'], status: number, code: string) => {
    for (const { name, tcpPort } of ways())
      for (const route of everyRoute) {
        const answer = await ask(discovery, { ...route, headers: { ...headers }, tcpPort });
        assert.deepEqual(
          [answer.status, answer.code],
          [status, code],
          `${name} ${route.method} ${route.path}`,
        );
      }
  };

  const foreign: Record<string, RawRequest['headers']> = {
    'another host': { host: 'evil.example' },
    'a host that only begins like ours': { host: 'localhost.evil.example' },
    'our address under a foreign port name': { host: '127.0.0.1.nip.io:80' },
    'an origin': { origin: 'https://evil.example' },
    'the origin null': { origin: 'null' },
    'an origin on this machine': { origin: 'http://localhost:3000' },
    'a cross-site fetch': { 'sec-fetch-site': 'cross-site' },
    'a same-origin fetch': { 'sec-fetch-site': 'same-origin' },
  };
  for (const [title, headers] of Object.entries(foreign)) {
    it(`refuses every route to ${title}, even with the right token`, async () => {
      await overEveryRoute(headers, 403, 'forbidden_origin');
    });
  }
  it('refuses a request without a host', async () => {
    // Where the header is missing, Node's parser does, before any code of ours.
    for (const headers of [{ host: '' }, { host: undefined }])
      assert.equal((await ask(discovery, { method: 'GET', path: '/v1/engine', headers })).status, 400);
  });
  const wrong: Record<string, RawRequest['headers']> = {
    'no token': { authorization: undefined },
    'an empty token': { authorization: 'Bearer ' },
    'a wrong token': { authorization: 'Bearer wrong' },
    'a token of another scheme': { authorization: 'Basic d3Jvbmc=' },
  };
  for (const [title, headers] of Object.entries(wrong)) {
    it(`refuses every route to ${title}`, async () => {
      await overEveryRoute(headers, 401, 'unauthorized');
    });
  }
  it('refuses a token that is right but for its last letter', async () => {
    const last = discovery.token.endsWith('a') ? 'b' : 'a';
    await overEveryRoute(
      { authorization: `Bearer ${discovery.token.slice(0, -1)}${last}` },
      401,
      'unauthorized',
    );
  });
  it('answers the right token on the socket and on TCP', async () => {
    for (const { tcpPort } of ways())
      assert.equal((await ask(discovery, { method: 'GET', path: '/v1/engine', tcpPort })).status, 200);
  });
  it('serves on after a thousand wrong tokens', async () => {
    for (let round = 0; round < 1000; round += 50)
      await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          ask(discovery, {
            method: 'GET',
            path: '/v1/engine',
            headers: { authorization: `Bearer ${round + index}` },
          }),
        ),
      );
    assert.equal((await ask(discovery, { method: 'GET', path: '/v1/engine' })).status, 200);
  });
  it('takes JSON alone, and not more than a megabyte of it', async () => {
    const path = '/v1/clones';
    const post = (body: string, headers: RawRequest['headers'] = {}) =>
      ask(discovery, { method: 'POST', path, body, headers });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
      assert.equal((await post('{"environment":"x"}', { 'content-type': type })).code, 'invalid_request');
    for (const body of ['{', 'null', '[]', '"x"', '{"environment":"x","more":1}', '{"__proto__":{}}'])
      assert.equal((await post(body)).code, 'invalid_request', body);
    const big = JSON.stringify({ environment: 'x'.repeat(2 * 1024 * 1024) });
    assert.equal((await post(big)).code, 'invalid_request');
    assert.equal((await post('{"environment":"x"}')).code, 'not_found');
  });
  it('refuses who asks under a name that is not percent-encoded', async () => {
    const headers = { 'thin-clones-client': '%zz' };
    assert.equal(
      (await ask(discovery, { method: 'GET', path: '/v1/engine', headers })).code,
      'invalid_request',
    );
  });
  it('refuses a client of another protocol, but not its wish to stop or to know', async () => {
    const headers = { 'thin-clones-protocol': '999' };
    const answer = await ask(discovery, { method: 'GET', path: '/v1/clones', headers });
    assert.deepEqual([answer.status, answer.code], [426, 'protocol_mismatch']);
    assert.equal((await ask(discovery, { method: 'GET', path: '/v1/engine', headers })).status, 200);
  });
  it('answers nothing but errors to paths that climb', async () => {
    for (const name of ['..', '../..', '%2e%2e', '..%2f..%2fetc%2fpasswd', '%00', '....//', '%5c..%5c']) {
      for (const path of [`/v1/jobs/${name}/lines`, `/v1/clones/${name}`, `/v1/${name}`]) {
        const { status } = await ask(discovery, { method: 'GET', path });
        assert.ok([400, 404].includes(status), `${path}: ${status}`);
      }
    }
  });
  it('keeps its files to its owner', async () => {
    const mode = async (path: string) => (await stat(path)).mode & 0o777;
    const { engineDirectory, socket, discovery: file, state, secrets, installation, log } = engine.paths;
    assert.equal(await mode(engineDirectory), 0o700);
    assert.equal(await mode(secrets), 0o700);
    for (const path of [socket, file, state, installation, log, join(secrets, 'key')])
      assert.equal(await mode(path), 0o600, path);
    for (const name of await readdir(engineDirectory)) {
      const found = await lstat(join(engineDirectory, name));
      assert.equal(found.mode & (found.isDirectory() ? 0o077 : 0o177), 0, name);
    }
  });
  it('listens on loopback alone', async function () {
    if (process.platform !== 'linux') this.skip();
    const port = discovery.tcpPort ?? 0;
    const own = await listeners(engine.processes().map(({ pid }) => pid));
    assert.deepEqual(own, [`0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`]);
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
  });
});

describe('a home in which somebody laid traps', function () {
  this.timeout(60_000);
  let engine: TestEngine;
  beforeEach(
    async () => (engine = await makeTestEngine({ variables: { THIN_CLONES_STORAGE_DRIVER: 'copy' } })),
  );
  afterEach(() => engine.dispose());

  it('replaces links at the socket and the discovery file, and writes to nothing that they point to', async () => {
    const victim = join(engine.home, 'victim');
    await writeFile(victim, 'precious');
    await mkdir(engine.paths.engineDirectory, { mode: 0o700 });
    await symlink(victim, engine.paths.socket);
    await symlink(victim, engine.paths.discovery);
    await (await engine.client()).call('engineInfo', {});
    assert.equal(await readFile(victim, 'utf8'), 'precious');
    for (const path of [engine.paths.socket, engine.paths.discovery])
      assert.ok(!(await lstat(path)).isSymbolicLink(), path);
  });
  it('refuses a folder for its secrets that is a link to somewhere else', async () => {
    const elsewhere = join(engine.home, 'elsewhere');
    await mkdir(elsewhere);
    await chmod(elsewhere, 0o777);
    await symlink(elsewhere, engine.paths.engineDirectory);
    await assert.rejects(engine.connect(), /did not start/);
    assert.deepEqual(await readdir(elsewhere), []);
  });
  it('refuses a folder of somebody else for its secrets', async function () {
    if (process.getuid?.() !== 0) this.skip();
    await mkdir(engine.paths.engineDirectory);
    const { chown } = await import('node:fs/promises');
    await chown(engine.paths.engineDirectory, 65534, 65534);
    await assert.rejects(engine.connect(), /did not start/);
    assert.deepEqual(await readdir(engine.paths.engineDirectory), []);
  });
  it('goes on without TCP when the port is taken, and says so in its log', async () => {
    const stranger = createServer();
    stranger.listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const address = stranger.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const env = { ...engine.program.env, THIN_CLONES_TCP_PORT: String(port) };
    const connection = await connectEngine({
      paths: engine.paths,
      user: 'tester',
      program: { ...engine.program, env },
    });
    assert.equal(connection.discovery.tcpPort, null);
    assert.match(await engine.log(), /the TCP port can not be used/);
    connection.close();
    stranger.close();
    await rm(engine.paths.log, { force: true });
  });
});
