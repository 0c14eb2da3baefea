import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ask, LinkStream, Question } from '../../../engine/link/link.ts';
import { createSshLink, type SshLinkOptions } from '../../../engine/link/ssh/sshLink.ts';
import { isFailure, type ErrorCode, type ThinClonesError } from '../../../engine/protocol/errors.ts';
import { skipSuite } from '../../support/skips.ts';
import { startLineProxy } from './lineProxy.ts';
import { noSecondHost, startSecondHost, type ClientOptions, type SecondHost } from './secondHost.ts';

const accounts = [
  { name: 'ann', shell: '/bin/sh' },
  { name: 'bea', shell: '/bin/bash', files: { '.bashrc': 'echo "Welcome to big!"; echo -n unended\n' } },
  { name: 'zoe', shell: '/usr/bin/zsh', files: { '.zshenv': 'echo "thin-clones is what I say"\n' } },
  { name: 'fay', shell: '/usr/bin/fish', files: { '.config/fish/config.fish': 'echo fishy\n' } },
  { name: 'cas', shell: '/bin/tcsh', files: { '.tcshrc': 'echo "csh here!"\n' } },
  { name: 'nol', shell: '/usr/sbin/nologin' },
  { name: 'fals', shell: '/bin/false' },
  { name: 'exi', shell: '/bin/bash', files: { '.bashrc': 'echo "The quota is used up."; exit 3\n' } },
  { name: 'yes', shell: '/bin/bash', files: { '.bashrc': 'exec yes "all work and no play"\n' } },
  { name: 'pat', shell: '/bin/sh', password: 'correct horse' },
] as const;
const words = 'still here: \'quoted\' "twice" \\ $HOME `id`';

/** Finds what a login runs here by a variable that it hands down: a text of this test's alone. */
function markedLogin(): {
  environment: Record<string, string | undefined>;
  processes: () => Promise<readonly { pid: string; text: string }[]>;
} {
  const mark = `THIN_CLONES_TEST_LOGIN=${randomUUID()}`;
  const [name = '', value = ''] = mark.split('=');
  return {
    environment: { ...process.env, [name]: value },
    processes: async () => {
      const found: { pid: string; text: string }[] = [];
      for (const pid of await readdir('/proc')) {
        if (!/^\d+$/.test(pid)) continue;
        // best effort: a process that ended meanwhile tells nothing.
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
        const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (environment.includes(mark)) found.push({ pid, text: `${environment}${words}` });
      }
      return found;
    },
  };
}

describe('ssh to a second host', () => {
  let host: SecondHost;
  let folder: string;
  before(async function () {
    const reason =
      (await noSecondHost('zsh', 'fish', 'tcsh', 'openssl')) ??
      (process.getuid?.() === 0 ? undefined : 'accounts of a second host need root');
    if (reason !== undefined) skipSuite(this, reason);
    folder = await mkdtemp(join(tmpdir(), 'tc-ssh-'));
    await writeFile(join(folder, 'banner'), '*** Authorised use only. Connection refused. ***\n', {
      mode: 0o644,
    });
    host = await startSecondHost({ accounts, sshd: [`Banner ${join(folder, 'banner')}`] });
  });
  after(async () => {
    await (host as SecondHost | undefined)?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const nobody = new AbortController().signal;
  type Login = Partial<SshLinkOptions> & { client?: ClientOptions; user?: string; ask?: Ask };
  const open = async ({ client, user = 'ann', ask, ...options }: Login = {}): Promise<LinkStream> =>
    createSshLink({
      name: 'box',
      address: { user, host: 'big' },
      work: { script: 'exec cat', converse: async () => undefined },
      environment: process.env,
      configFile: (await host.clientConfig(client)).file,
      ...options,
    }).open({ signal: nobody, ...(ask !== undefined && { ask }) });
  const echoes = async (stream: LinkStream): Promise<void> => {
    stream.bytes.write(words);
    const [heard] = (await once(stream.bytes, 'data')) as [Buffer];
    assert.equal(heard.toString(), words);
    stream.close();
    await stream.ended;
  };
  const refused = async (code: ErrorCode, login: Login): Promise<ThinClonesError> => {
    let failure: unknown;
    try {
      (await open(login)).close();
    } catch (error) {
      failure = error;
    }
    assert.ok(isFailure(failure, code), `${code}: ${String(failure)}`);
    assert.doesNotMatch(failure.message, /\u001b/);
    return failure;
  };
  /** Answers in turn, and keeps what was asked. */
  const answers = (...given: readonly (string | undefined)[]): { ask: Ask; asked: Question[] } => {
    const asked: Question[] = [];
    return {
      asked,
      ask: async (question) => {
        asked.push(question);
        return given[asked.length - 1];
      },
    };
  };

  for (const { name, shell } of accounts.slice(0, 5))
    it(`reaches an account whose login shell is ${shell}, whatever it says first`, async () => {
      await echoes(await open({ user: name }));
    });

  it('hands over every byte behind the script, however early it was sent', async () => {
    const stream = await open({
      work: {
        script: 'head -c 5; echo; echo go; exec cat',
        converse: async (far) => {
          await far.write('12345');
          assert.equal(await far.line(), '12345');
          assert.equal(await far.line(), 'go');
        },
      },
    });
    await echoes(stream);
  }).timeout(60_000);

  for (const [user, said] of [
    ['nol', /no command runs there: .*not available/],
    ['fals', /no command runs there/],
    ['exi', /The quota is used up/],
    ['yes', /without end: all work/],
  ] as const)
    it(`says what the account ${user} has instead of a shell`, async () => {
      assert.match((await refused('host_shell', { user })).message, said);
    });

  it('says that a user is not let in, and by what he would be', async () => {
    const failure = await refused('host_login', { user: 'stranger' });
    assert.match(failure.message, /it takes publickey/);
    assert.match(failure.document.next, /ssh:\/\/stranger@big/);
  });

  describe('passwords', () => {
    it('are asked for by the text of ssh, and let in', async () => {
      const { ask, asked } = answers('correct horse');
      await echoes(await open({ user: 'pat', ask }));
      assert.equal(asked.length, 1);
      assert.equal(asked[0]?.kind, 'password');
      assert.match(asked[0].text, /pat@/);
    });
    it('are asked for again when they were wrong, three times', async () => {
      const { ask, asked } = answers('wrong', 'more wrong', 'correct horse');
      await echoes(await open({ user: 'pat', ask }));
      assert.equal(asked.length, 3);
      const never = answers('a', 'b', 'c', 'd');
      await refused('host_login', { user: 'pat', ask: never.ask });
      assert.equal(never.asked.length, 3);
    });
    it('that nobody gives refuse the login', async () => {
      await refused('host_login', { user: 'pat', ask: answers().ask });
      await refused('host_login', { user: 'pat' });
      await refused('host_login', { user: 'pat', ask: () => Promise.reject(new Error('closed')) });
    });
    it('stand in no arguments and in no environment while they are given', async () => {
      const login = markedLogin();
      let ofSsh = 0;
      const telling: string[] = [];
      const ask: Ask = async () => {
        for (const { pid, text } of await login.processes()) {
          ofSsh += 1;
          if (text.includes('correct horse')) telling.push(pid);
        }
        return 'correct horse';
      };
      await echoes(await open({ user: 'pat', ask, environment: login.environment }));
      // ssh, and the program by which it asks.
      assert.ok(ofSsh >= 2, `${ofSsh} processes`);
      assert.deepEqual(telling, []);
    });
    it('are not waited for when the link is wanted no longer', async () => {
      const controller = new AbortController();
      const { file } = await host.clientConfig();
      let withdrawn: Promise<unknown> | undefined;
      const opening = createSshLink({
        name: 'box',
        address: { user: 'pat', host: 'big' },
        work: { script: 'exec cat', converse: async () => undefined },
        environment: process.env,
        configFile: file,
      }).open({
        signal: controller.signal,
        ask: (_question, signal) => {
          withdrawn = once(signal, 'abort');
          controller.abort();
          return withdrawn.then(() => undefined);
        },
      });
      await assert.rejects(opening, (error) => isFailure(error, 'canceled'));
      await withdrawn;
    });
  });

  it('asks for the passphrase of a key', async () => {
    const { ask, asked } = answers('not it', host.lockedKey.passphrase);
    await echoes(await open({ ask, client: { identity: host.lockedKey.file } }));
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      ['passphrase', 'passphrase'],
    );
    await refused('host_login', { client: { identity: host.lockedKey.file } });
  });

  describe('the key of the host', () => {
    it('is accepted by a person who saw its fingerprint, once', async () => {
      const { file, knownHosts } = await host.clientConfig({ known: null });
      const { ask, asked } = answers('yes');
      await echoes(await open({ ask, configFile: file }));
      assert.deepEqual(
        asked.map(({ kind, fingerprint }) => [kind, fingerprint]),
        [['host-key', host.fingerprint]],
      );
      assert.match(await readFile(knownHosts, 'utf8'), /ssh-ed25519/);
      await echoes(await open({ configFile: file }));
    });
    for (const said of ['no', '', 'y', 'YES please', undefined])
      it(`is not accepted by ${JSON.stringify(said)}`, async () => {
        const { file, knownHosts } = await host.clientConfig({ known: null });
        const failure = await refused('host_key_unknown', { ask: answers(said).ask, configFile: file });
        assert.ok(failure.message.includes(host.fingerprint), failure.message);
        assert.equal(await readFile(knownHosts, 'utf8'), '');
      });
    it('is not accepted when nobody can be asked, whatever the configuration says', async () => {
      for (const lines of [[], ['StrictHostKeyChecking no'], ['StrictHostKeyChecking accept-new']])
        await refused('host_key_unknown', { client: { known: null, lines } });
    });
    it('that changed is never accepted, and nobody is asked', async () => {
      const other = await startSecondHost();
      const foreign = await readFile((await other.clientConfig()).knownHosts, 'utf8');
      await other.close();
      const { ask, asked } = answers('yes', 'yes', 'yes');
      for (const lines of [[], ['StrictHostKeyChecking no']]) {
        const known = foreign.replace(/\]:\d+/, `]:${host.port}`);
        const failure = await refused('host_key_changed', { ask, client: { known, lines } });
        assert.match(failure.document.next, /ssh-keygen -R/);
      }
      assert.deepEqual(asked, []);
    });
  });

  it('says which name does not resolve', async () => {
    const failure = await refused('host_dns', { address: { host: 'no-such-host.invalid' } });
    assert.match(failure.message, /"no-such-host\.invalid"/);
  });
  it('says that nothing listens there', async () => {
    const proxy = await startLineProxy(host.port);
    await proxy.close();
    await refused('host_refused', { client: { port: proxy.port } });
  });
  it('says that a host accepts and then says nothing', async () => {
    const silent = createServer((socket) => void socket.on('error', () => undefined).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const failure = await refused('host_timeout', { client: { port }, patienceMs: 500 });
    assert.match(failure.message, /nothing was heard from it for 0\.5 s/);
    await new Promise((resolve) => silent.close(resolve));
  });
  it('says that there is no ssh', async () => {
    await refused('ssh_missing', { program: '/nowhere/ssh' });
  });

  it('does none of what a configuration has for people: terminals, commands, forwarded ports, shared connections', async () => {
    const blocked = createServer();
    await new Promise<void>((resolve) => blocked.listen(0, '127.0.0.1', resolve));
    const { port } = blocked.address() as AddressInfo;
    const master = join(folder, 'master');
    const lines = [
      ...['RequestTTY force', 'RemoteCommand echo mine', 'ExitOnForwardFailure yes', 'LogLevel QUIET'],
      ...[
        `LocalForward 127.0.0.1:${port} 127.0.0.1:1`,
        'PermitLocalCommand yes',
        `LocalCommand touch ${folder}/local`,
      ],
      ...[
        'ControlMaster auto',
        `ControlPath ${master}`,
        'ControlPersist yes',
        'ForwardX11 yes',
        'ForwardAgent yes',
      ],
    ];
    await echoes(await open({ client: { lines } }));
    await new Promise((resolve) => blocked.close(resolve));
    await assert.rejects(readFile(join(folder, 'local')), /ENOENT/);
    await assert.rejects(readFile(master), /ENOENT/);
  });

  describe('over a bad line', () => {
    it('works with 60 ms to and fro, by one connection', async () => {
      const proxy = await startLineProxy(host.port);
      proxy.delay(60);
      await echoes(await open({ client: { port: proxy.port } }));
      assert.equal(proxy.connections, 1);
      await proxy.close();
    });
    it('tells that the line was cut', async () => {
      const proxy = await startLineProxy(host.port);
      const stream = await open({ client: { port: proxy.port } });
      stream.bytes.resume();
      proxy.cut();
      assert.ok(isFailure(await stream.ended, 'host_unreachable'));
      await proxy.close();
    });
    it('notices by itself that nothing comes through any more', async () => {
      const dead = ['blackHole', 'halfOpen'] as const;
      await Promise.all(
        dead.map(async (how) => {
          const proxy = await startLineProxy(host.port);
          const stream = await open({ client: { port: proxy.port } });
          stream.bytes.resume();
          if (how === 'blackHole') proxy.blackHole(true);
          else proxy.halfOpen();
          assert.match((await stream.ended).message, /not responding/, how);
          await proxy.close();
        }),
      );
    });
    it('goes on behind a black hole that ends in time', async () => {
      const proxy = await startLineProxy(host.port);
      const stream = await open({ client: { port: proxy.port } });
      proxy.blackHole(true);
      stream.bytes.write(words);
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal(stream.bytes.readableLength, 0);
      proxy.blackHole(false);
      const [heard] = (await once(stream.bytes, 'data')) as [Buffer];
      assert.equal(heard.toString(), words);
      stream.close();
      await stream.ended;
      await proxy.close();
    });
  });
});
