import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '../../../engine/protocol/client.ts';
import type { Host } from '../../../engine/protocol/entities.ts';
import { isFailure, type ErrorCode } from '../../../engine/protocol/errors.ts';
import { makeTestEngine, repository, type TestEngine } from '../../support/engine.ts';
import { shareArchives } from '../../support/sharedArchives.ts';
import { skipSuite } from '../../support/skips.ts';
import { startLineProxy, type LineProxy } from './lineProxy.ts';
import { noSecondHost, startSecondHost, type SecondHost } from './secondHost.ts';

const secret = 'correct horse battery';

describe('a host that lets in by a password alone', function () {
  this.timeout(300_000);
  let folder: string;
  let machine: SecondHost | undefined;
  let proxy: LineProxy | undefined;
  let near: TestEngine | undefined;
  let client: Client;
  /** What was asked, in turn. */
  let asked: string[];
  let listening: AbortController;
  let told: Promise<void>;

  before(async function () {
    const reason =
      (await noSecondHost('openssl')) ??
      (process.getuid?.() === 0 ? undefined : 'accounts of a second host need root');
    if (reason !== undefined) skipSuite(this, reason);
    folder = await mkdtemp(join(tmpdir(), 'tc-password-'));
    await chmod(folder, 0o755);
    // Its account makes its home there.
    await mkdir(join(folder, 'there'));
    await chmod(join(folder, 'there'), 0o777);
    if (!existsSync(join(repository, 'dist', 'build.json')))
      await promisify(execFile)(process.execPath, ['esbuild.mjs'], { cwd: repository });
    machine = await startSecondHost({
      accounts: [{ name: 'pat', shell: '/bin/sh', password: secret }],
      sshd: [`SetEnv THIN_CLONES_HOME=${home()}`],
    });
    proxy = await startLineProxy(machine.port);
    const { file } = await machine.clientConfig({ port: proxy.port });
    near = await makeTestEngine({
      variables: { THIN_CLONES_STORAGE_DRIVER: 'copy', THIN_CLONES_SSH_CONFIG: file },
    });
    await shareArchives(near.home);
    client = await near.client();
  });
  after(async () => {
    await near?.dispose();
    await proxy?.close();
    await machine?.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    asked = [];
    listening = new AbortController();
    told = Promise.resolve();
  });
  afterEach(async () => {
    listening.abort();
    await told;
  });

  const home = () => join(folder, 'there', 'home');
  const params = { host: 'box' } as const;
  const hostNow = (): Promise<Host> => client.call('hostShow', { params });
  const until = async (isSo: () => Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  /** Answers in turn what is asked from now on. */
  const answerBy = async (...replies: string[]): Promise<void> => {
    const overview = await client.call('overview', {});
    told = (async () => {
      for await (const event of client.events(overview, listening.signal)) {
        if (event.kind !== 'host' || event.entity.question === null) continue;
        const { id, kind, text } = event.entity.question;
        // It is told with each change of its host.
        if (asked.includes(`${id} ${kind} ${text}`)) continue;
        asked.push(`${id} ${kind} ${text}`);
        const reply = replies[asked.length - 1] ?? null;
        await client.call('hostAnswer', { params, body: { question: id, reply } });
      }
    })();
  };
  const refused = (wanted: ErrorCode) => (error: unknown) => isFailure(error, wanted);
  const logins = () =>
    (machine?.log() ?? '').split('\n').filter((line) => line.includes('Accepted password for pat')).length;
  const failures = () =>
    (machine?.log() ?? '').split('\n').filter((line) => line.includes('Failed password for pat')).length;
  const filesWithSecret = async (of: string): Promise<string[]> => {
    const found: string[] = [];
    for (const entry of await readdir(of, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      // What was brought is the same for everybody.
      if (path.includes('/builds/')) continue;
      if (entry.isFile() && (await readFile(path)).includes(secret)) found.push(path);
    }
    return found;
  };

  it('is joined by the answer of who adds it, which is asked for again when it was wrong, and kept nowhere', async () => {
    const body = { name: 'box', address: 'ssh://pat@big' } as never;
    await assert.rejects(client.call('hostAdd', { body }), refused('host_login'));
    await answerBy('wrong', secret);
    const host = await client.call('hostAdd', { body: { ...(body as object), questions: true } as never });
    assert.deepEqual([host.state, host.problem, host.question], ['ready', null, null]);
    assert.equal(asked.length, 2);
    for (const text of asked) assert.match(text, /password pat@.*password/);
    assert.deepEqual([logins(), failures()], [1, 1]);
    assert.ok(near);
    assert.deepEqual(await filesWithSecret(join(near.home, 'engine')), []);
    assert.deepEqual(await filesWithSecret(join(home(), 'engine')), []);
    const { items } = await client.call('hostLog', { params });
    for (const kept of [items, await client.call('overview', {})])
      assert.ok(!JSON.stringify(kept).includes(secret));
  });

  it('needs a login when the line was cut, asks nobody by itself, and is reached by who reconnects it', async () => {
    const before = failures();
    await answerBy(secret);
    proxy?.cut();
    await until(async () => (await hostNow()).state === 'needs-login');
    const { problem, next } = await hostNow();
    assert.match(problem ?? '', /it takes .*password/);
    assert.match(next ?? '', /\S/);
    await assert.rejects(client.call('hostReconnect', { params, body: {} }), refused('host_login'));
    assert.deepEqual([asked.length, logins(), failures()], [0, 1, before]);
    const host = await client.call('hostReconnect', { params, body: { questions: true } });
    assert.deepEqual([host.state, asked.length, logins()], ['ready', 1, 2]);
  });

  it('is left as it was by who answers once more, and stays joined where nobody does', async () => {
    const remove = (questions: boolean) =>
      client.call('hostRemove', {
        params,
        query: { uninstall: 'yes', ...(questions && { questions: 'yes' }) },
      });
    await assert.rejects(remove(false), refused('host_login'));
    // The link that is open goes on.
    assert.equal((await hostNow()).state, 'ready');
    await answerBy();
    await assert.rejects(remove(true), refused('host_unanswered'));
    assert.equal((await hostNow()).state, 'ready');
    assert.ok(existsSync(join(home(), 'engine', 'builds')));
    listening.abort();
    await told;
    [asked, listening] = [[], new AbortController()];
    await answerBy(secret);
    assert.deepEqual(await remove(true), { forgotten: true, left: [] });
    assert.deepEqual([asked.length, logins()], [1, 3]);
    assert.deepEqual(await readdir(join(folder, 'there')), []);
    assert.deepEqual(
      (await client.call('hostList', {})).items.map(({ name }) => name as string),
      ['local'],
    );
  });
});
