import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  declinedHostSchema,
  hostSchema,
  type DeclinedHost,
  type Host,
} from '../../../engine/protocol/entities.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import { start, type as runCommand } from './commandLine.ts';
import { at, fakeClone, fakeEnvironment, startFakeEngine, type FakeEngine } from './fakeEngine.ts';

const host = (changes: object = {}): Host =>
  hostSchema.parse({
    name: 'big',
    kind: 'ssh',
    state: 'connecting',
    storage: null,
    problem: null,
    ...changes,
  });
const question = (kind: string, text: string, changes: object = {}) => ({
  ...{ id: `of ${kind}`, kind, text, fingerprint: null, masked: true, since: at, until: at },
  ...changes,
});
const password = question('password', "me@big's password:");
const key = question('host-key', 'The authenticity of host big can not be established.\nAre you sure?', {
  ...{ fingerprint: 'SHA256:abc', masked: false },
});

describe('a login at the terminal', () => {
  let engine: FakeEngine;
  /** What was answered, in turn. */
  let replies: (string | null)[];
  let answered: () => void;
  /** Asks in turn, then is there. */
  const asking =
    (questions: readonly object[], refused = () => fail('host_unanswered', { host: 'big' })) =>
    async (): Promise<Host> => {
      for (const each of questions) {
        const { promise, resolve } = Promise.withResolvers<undefined>();
        answered = () => resolve(undefined);
        engine.emit({ kind: 'host', entity: host({ doing: 'Logging in', question: each }) });
        await promise;
        engine.emit({ kind: 'host', entity: host() });
        if (replies.at(-1) === null) throw refused();
      }
      return host({ state: 'ready' });
    };
  beforeEach(async () => {
    replies = [];
    engine = await startFakeEngine({
      hostAnswer: ({ body }) => {
        replies.push(body.reply as string | null);
        answered();
        return host();
      },
    });
  });
  afterEach(() => engine.close());
  const add = ['host', 'add', 'big', 'ssh://me@big'];

  it('shows the key of a host, hides a password, and tells no answer', async () => {
    engine.script.hostAdd = asking([key, password]);
    const { code, stderr, stdout } = await runCommand(add, {
      ...{ engine, terminal: true, answers: ['yes', 'correct horse'] },
    });
    assert.deepEqual([code, replies], [0, ['yes', 'correct horse']]);
    assert.match(stderr, /authenticity of host big/);
    assert.match(stderr, /big: me@big's password: /);
    assert.ok(!`${stdout}${stderr}`.includes('correct horse'));
    assert.equal(engine.calls.find(({ route }) => route === 'hostAdd')?.body.questions, true);
  });
  it('accepts a key by its fingerprint, and by nothing but yes else', async () => {
    engine.script.hostAdd = asking([key]);
    const named = await runCommand(add, { engine, terminal: true, answers: ['SHA256:abc'] });
    assert.deepEqual([named.code, replies], [0, ['yes']]);
    for (const no of ['y', '', 'SHA256:other', 'no']) {
      const unknown = () => fail('host_key_unknown', { host: 'big', address: 'ssh://big' });
      engine.script.hostAdd = asking([key], unknown);
      const { code, stderr } = await runCommand(add, { engine, terminal: true, answers: [no] });
      assert.deepEqual([code, replies.at(-1)], [3, null]);
      assert.match(stderr, /Nobody has accepted the key/);
    }
  });
  it('ends with the question that is left by Ctrl-C', async () => {
    engine.script.hostReconnect = asking([password]);
    const { code, stderr } = await runCommand(['host', 'reconnect', 'big'], {
      ...{ engine, terminal: true, answers: ['\u0003'] },
    });
    assert.deepEqual([code, replies], [3, [null]]);
    assert.match(stderr, /given up/);
  });
  it('asks no longer what is answered elsewhere', async () => {
    engine.script.hostReconnect = async () => {
      engine.emit({ kind: 'host', entity: host({ question: password }) });
      await command.says('password: ');
      engine.emit({ kind: 'host', entity: host() });
      return host({ state: 'ready' });
    };
    const command = start(['host', 'reconnect', 'big'], { engine, terminal: true });
    assert.equal((await command.ended).code, 0);
    assert.deepEqual(replies, []);
  });
  it('asks nothing where no terminal is, and says what to do', async () => {
    engine.script.hostAdd = ({ body }) => {
      assert.equal(body.questions, false);
      throw fail('host_login', { host: 'big', address: 'ssh://me@big', problem: 'it takes password' });
    };
    const { code, stderr } = await runCommand(add, { engine });
    assert.equal(code, 3);
    assert.match(stderr, /only at a terminal and in VS Code/);
  });
  it('comes first where another command needs the host', async () => {
    let isIn = false;
    engine.script.cloneShow = () => {
      if (!isIn)
        throw fail('host_login', { host: 'big', address: 'ssh://big', problem: 'it takes password' });
      return fakeClone();
    };
    engine.script.hostReconnect = async () => {
      const found = await asking([password])();
      isIn = true;
      return found;
    };
    const show = ['clone', 'show', 'feature/a'];
    assert.equal((await runCommand(show, { engine })).code, 3);
    const { code } = await runCommand(show, { engine, terminal: true, answers: ['correct horse'] });
    assert.deepEqual([code, replies], [0, ['correct horse']]);
  });
  it('tells what is found on the way as it is found, each once, and ends with 1 on a problem', async () => {
    const check = (name: string, status = 'ok', fix: string | null = null) => ({
      ...{ name, status, message: `${name} it is`, fix, advice: null },
    });
    engine.script.hostDoctor = async () => {
      engine.emit({ kind: 'host', entity: host({ checks: [check('reach')] }) });
      await command.says('reach it is');
      const items = [check('reach'), check('programs', 'problem', 'sudo apt-get install -y tar')];
      return { items: host({ checks: items }).checks };
    };
    const doctor = ['host', 'doctor', 'big'];
    let command = start(doctor, { engine, terminal: true });
    const { code, stdout, stderr } = await command.ended;
    assert.deepEqual([code, stderr.trim()], [1, 'ok       reach: reach it is']);
    assert.match(stdout, /^PROBLEM {2}programs: programs it is\n +run: sudo apt-get install -y tar\n$/);
    engine.script.hostDoctor = () => ({ items: host({ checks: [check('reach')] }).checks });
    command = start([...doctor, '--json'], { engine });
    const told = await command.ended;
    assert.deepEqual(JSON.parse(told.stdout), { items: [check('reach')] });
    assert.equal(told.stderr, '');
  });
  it('tells how much compression saves there, where the storage knows it', async () => {
    const storage = { driver: 'zfs', label: 'ZFS, thin', thin: true, path: '/tank/thin' };
    const room = { totalBytes: 10_000_000_000, freeBytes: 4_000_000_000 };
    const show = async (more: object, ...flags: string[]) => {
      engine.script.hostShow = () => host({ state: 'ready', storage: { ...storage, ...room, ...more } });
      return (await runCommand(['host', 'show', 'big', ...flags], { engine })).stdout;
    };
    assert.match(await show({ compression: 1.854 }), /^compression: +1\.85x$/m);
    assert.doesNotMatch(await show({}), /compression/);
    const json = JSON.parse(await show({}, '--json')) as { storage: { compression: unknown } };
    assert.equal(json.storage.compression, null);
  });
  it('says where data goes on a host, in one of two ways', async () => {
    engine.script.hostAdd = async () => host({ state: 'ready' });
    assert.equal((await runCommand([...add, '--path', '/data'], { engine })).code, 0);
    assert.equal((await runCommand([...add, '--dataset', 'tank/thin'], { engine })).code, 0);
    assert.equal((await runCommand([...add, '--dataset', 'a', '--path', '/b'], { engine })).code, 2);
    assert.deepEqual(
      engine.calls
        .filter(({ route }) => route === 'hostAdd')
        .map(({ body: { path, dataset } }) => [path, dataset]),
      [
        ['/data', undefined],
        [undefined, 'tank/thin'],
      ],
    );
  });
});

describe('the hosts that a file declares', () => {
  let engine: FakeEngine;
  let folder: string;
  let hosts: Host[];
  let declined: DeclinedHost[];
  const apply = (...more: string[]) => [
    'env',
    'apply',
    '--no-test',
    '-f',
    join(folder, 'file.yaml'),
    ...more,
  ];
  const write = (address: string, more = '') =>
    writeFile(
      join(folder, 'file.yaml'),
      `version: 1
hosts:
  big: { address: "${address}", path: /data }
environments:
  shop: { host: big, members: { db: { engine: postgres, retrieval: logical, url: "postgresql://r@db/x", password: { env: PW } } } }
${more}`,
    );
  const routes = () => engine.calls.map(({ route }) => route);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tc-declared-'));
    hosts = [];
    declined = [];
    engine = await startFakeEngine({
      hostList: () => ({ items: hosts }),
      hostShow: () => hosts[0] ?? host(),
      hostAdd: ({ body }) => (hosts = [host({ state: 'ready', address: body.address })])[0] ?? host(),
      hostRemove: () => ({ forgotten: true }),
      hostDeclinedList: () => ({ items: declined }),
      hostDecline: ({ body }) => ({
        items: (declined = [...declined, declinedHostSchema.parse(body)]),
      }),
      hostPasswords: ({ body }) => (hosts = [host({ ...hosts[0], takesPasswords: body.allow })])[0] ?? host(),
      environmentApply: () => ({ environment: fakeEnvironment(), outcome: 'created' }),
    });
    await write('ssh://me@big');
  });
  afterEach(async () => {
    await engine.close();
    await rm(folder, { recursive: true });
  });
  const variables = { PW: 'hidden', NO_COLOR: '1' };

  it('are connected to when a person agrees, once for an address, and passwords go there when one agrees to that', async () => {
    const first = await runCommand(apply(), { engine, variables, terminal: true, answers: ['y', 'y'] });
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /says that host big is ssh:\/\/me@big\. Log in there, and bring the engine\?/);
    assert.match(first.stderr, /Passwords of sources go to the host big \(ssh:\/\/me@big\)/);
    assert.deepEqual(engine.calls.find(({ route }) => route === 'hostAdd')?.body, {
      ...{ name: 'big', address: 'ssh://me@big', questions: true, path: '/data' },
    });
    const again = await runCommand(apply(), { engine, variables });
    assert.equal(again.code, 0, again.stderr);
    assert.equal(routes().filter((route) => route === 'hostAdd' || route === 'hostPasswords').length, 2);
    await write('ssh://me@other');
    const changed = await runCommand(apply(), { engine, variables, terminal: true, answers: ['n'] });
    assert.equal(changed.code, 1);
    assert.match(changed.stderr, /is ssh:\/\/me@other; here it is ssh:\/\/me@big/);
  });
  it('get nothing without an answer: no login, no password', async () => {
    assert.equal((await runCommand(apply(), { engine, variables })).code, 2);
    assert.equal((await runCommand(apply(), { engine, variables, terminal: true, answers: ['n'] })).code, 1);
    const half = await runCommand(apply(), { engine, variables, terminal: true, answers: ['y', 'n'] });
    assert.equal(half.code, 1);
    assert.ok(!routes().includes('environmentApply') && !routes().includes('hostPasswords'));
    assert.equal((await runCommand(apply('--yes'), { engine, variables })).code, 0);
    assert.ok(routes().includes('environmentApply') && routes().includes('hostPasswords'));
  });
  it('are not asked about again after a no, which is told with how to change it, and a yes to it counts', async () => {
    await write(
      'me@big',
      '  own: { members: { db: { engine: postgres, retrieval: dump, dump: a.dump } } }\n',
    );
    const applied = () =>
      engine.calls.filter(({ route }) => route === 'environmentApply').map(({ params }) => params.name);
    const first = await runCommand(apply(), { engine, variables, terminal: true, answers: ['n'] });
    assert.deepEqual(
      [first.code, applied(), declined],
      [0, ['own'], [{ name: 'big', address: 'ssh://me@big' }]],
    );
    const way =
      /shop: left out, since you said no to host big at ssh:\/\/me@big\. .*thin-clones host add big ssh:\/\/me@big/;
    assert.match(first.stderr, way);
    // Neither at a terminal nor without one.
    for (const terminal of [true, false]) {
      const again = await runCommand(apply('--json'), { engine, variables, terminal });
      assert.equal(again.code, 0, again.stderr);
      assert.match(again.stderr, way);
      const { leftOut } = JSON.parse(again.stdout) as { leftOut: unknown };
      assert.deepEqual(leftOut, [{ environment: 'shop', host: 'big', address: 'ssh://me@big' }]);
    }
    // Another address is another question.
    await write('me@other');
    assert.equal((await runCommand(apply(), { engine, variables })).code, 2);
    await write('me@big');
    const alone = await runCommand(apply(), { engine, variables });
    assert.equal(alone.code, 1);
    assert.match(alone.stderr, /somebody said no to that.*\n.*thin-clones host add big ssh:\/\/me@big/);
    assert.ok(!routes().includes('hostAdd'));
    assert.equal((await runCommand(apply('--yes'), { engine, variables })).code, 0);
    assert.ok(routes().includes('hostAdd'));
  });
  it('are asked about again where the question was left', async () => {
    const left = await runCommand(apply(), { engine, variables, terminal: true, answers: ['\u0003'] });
    assert.equal(left.code, 1);
    assert.deepEqual(declined, []);
  });
  it('is reached by no address that is more than data', async () => {
    await write('-oProxyCommand=x');
    const { code, stderr } = await runCommand(apply('--yes'), { engine, variables });
    assert.equal(code, 2);
    assert.match(stderr, /:3:19: .*begins with a dash/);
    assert.deepEqual(engine.calls, []);
  });
});
