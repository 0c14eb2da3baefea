import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { ClientProgram } from '../../../engine/cli/clientPrograms.ts';
import { exitCodes } from '../../../engine/cli/exitCode.ts';
import type { ExecutedCommand } from '../../../engine/cli/session.ts';
import { formatVariables } from '../../../engine/cli/variables.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import { errorOf, start, type } from './commandLine.ts';
import {
  askingCheckout,
  fakeCheckout,
  fakeClone,
  fakeConnection,
  fakeEnvironment,
  fakeJob,
  fakeSnapshot,
  ids,
  startFakeEngine,
  type FakeEngine,
} from './fakeEngine.ts';

const password = "p w'd";
const url = "postgresql://clone:p%20w'd@127.0.0.1:40123/shop";

describe('thin-clones in a checkout', () => {
  let engine: FakeEngine;
  let repository: string;
  beforeEach(async () => {
    engine = await startFakeEngine();
    repository = realpathSync(mkdtempSync(join(tmpdir(), 'thin-clones-tree-')));
    mkdirSync(join(repository, '.git'));
    mkdirSync(join(repository, 'src', 'deep'), { recursive: true });
    engine.overview.clones = [fakeClone()];
  });
  afterEach(async () => {
    await engine.close();
    rmSync(repository, { recursive: true });
  });
  const here = () => ({ engine, cwd: repository });
  const calls = (...names: string[]) => engine.calls.filter(({ route }) => names.includes(route));
  const bodyOf = (name: string) => calls(name)[0]?.body;

  describe('use', () => {
    it('names the host of a clone that is elsewhere', async () => {
      const members = fakeClone().members.map((member) => ({ ...member, host: 'big' }));
      engine.overview.clones = [fakeClone({ environment: 'big/shop', members })];
      engine.overview.checkouts = [askingCheckout({ environment: 'big/shop' })];
      const { stdout } = await type(['use'], here());
      assert.match(stdout, /uses clone big\/feature\/a/);
      assert.match(stdout, /orders: 127\.0\.0\.1:40123, on every branch/);
    });
    it('opens the checkout of the present folder, and makes its clone', async () => {
      engine.overview.checkouts = [askingCheckout()];
      const { code, stdout, stderr } = await type(['use'], here());
      assert.equal(code, 0, stderr);
      assert.deepEqual(bodyOf('checkoutOpen'), { folder: repository });
      assert.deepEqual(calls('checkoutUse')[0], {
        route: 'checkoutUse',
        params: { checkout: ids.checkout },
        query: {},
        body: {},
      });
      assert.equal(
        stdout,
        [
          '/repo: feature/a uses clone feature/a, after 0 ms.',
          'orders: 127.0.0.1:40123, on every branch',
          'Variables (DATABASE_URL): eval "$(thin-clones env vars --format shell)", or thin-clones exec -- COMMAND',
          '',
        ].join('\n'),
      );
    });
    it('answers with the checkout as the protocol has it', async () => {
      const { stdout, stderr } = await type(['use', '--json'], here());
      assert.deepEqual(JSON.parse(stdout), fakeCheckout());
      assert.equal(stderr, '');
    });
    it('passes on what was chosen', async () => {
      const argv = [
        'use',
        '--environment',
        'shop',
        '--follow',
        'automatic',
        '--from',
        'current',
        '-C',
        'src',
      ];
      assert.equal((await type(argv, here())).code, 0);
      assert.deepEqual(bodyOf('checkoutOpen'), {
        folder: join(repository, 'src'),
        environment: 'shop',
        follow: 'automatic',
      });
      assert.deepEqual(bodyOf('checkoutUse'), { from: 'current' });
    });
    it('binds a clone by its name', async () => {
      assert.equal((await type(['use', 'nightly/debug'], here())).code, 0);
      assert.deepEqual(bodyOf('checkoutUse'), { clone: 'nightly/debug' });
    });
    it('waits for the job, and until the engine leads the ports there', async () => {
      const job = fakeJob({ state: 'succeeded' });
      const switching = { state: 'switching', clone: null, reason: 'The clone of feature/a is being made.' };
      const states = [fakeCheckout(switching), fakeCheckout({ ...switching, job: ids.job }), fakeCheckout()];
      engine.overview.jobs = [job];
      engine.script.checkoutUse = () => ({ checkout: fakeCheckout(switching), job });
      engine.script.checkoutShow = () => states.shift() ?? fakeCheckout();
      assert.equal((await type(['use'], here())).code, 0);
      assert.equal(states.length, 0);
    });
    it('waits by the events alone: one look before, one after', async () => {
      const switching = fakeCheckout({ state: 'switching', clone: null, reason: 'HEAD moves.' });
      engine.overview.checkouts = [switching];
      engine.script.checkoutUse = () => ({ checkout: switching, job: null });
      const running = start(['use'], here());
      await engine.listened();
      engine.overview.checkouts = [fakeCheckout()];
      engine.emit({ kind: 'checkout', entity: fakeCheckout() });
      assert.equal((await running.ended).code, 0);
      const asked = engine.calls.map(({ route }) => route);
      assert.deepEqual(asked.slice(0, 4), ['checkoutOpen', 'checkoutUse', 'checkoutShow', 'checkoutShow']);
      assert.equal(calls('overview', 'jobShow').length, 0);
    });
    it('takes in an event that came between its look and its listening', async () => {
      const switching = fakeCheckout({ state: 'switching', clone: null, reason: 'HEAD moves.' });
      engine.overview.checkouts = [switching];
      engine.script.checkoutUse = () => ({ checkout: switching, job: null });
      engine.script.checkoutShow = () => {
        const [shown = switching] = engine.overview.checkouts;
        if (shown === switching) {
          engine.overview.checkouts = [fakeCheckout()];
          engine.emit({ kind: 'checkout', entity: fakeCheckout() });
        }
        return shown;
      };
      assert.equal((await type(['use'], here())).code, 0);
      assert.equal(calls('checkoutShow').length, 2);
    });
    it('asks again for the branch that is checked out by then', async () => {
      let asked = 0;
      engine.script.checkoutUse = () => {
        asked++;
        return { checkout: askingCheckout(), job: null };
      };
      engine.script.checkoutShow = () => (asked < 2 ? askingCheckout() : fakeCheckout());
      assert.equal((await type(['use'], here())).code, 0);
      assert.equal(asked, 2);
    });
    it('says when the clone does not start where --from says', async () => {
      const said = async (from: string) => (await type(['use', '--from', from], here())).stderr;
      const later = '2999-01-01T00:00:00.000Z';
      engine.overview.snapshots = [fakeSnapshot()];
      assert.match(
        await said('latest'),
        /^Clone feature\/a does not start from latest now, .+ there already\./,
      );
      engine.overview.clones = [fakeClone({ createdAt: later })];
      assert.equal(await said('latest'), '');
      assert.match(await said('current'), /already, or nothing was in use before\./);
      assert.match(await said('main'), /thin-clones clone destroy feature\/a/);
      engine.overview.snapshots = [fakeSnapshot({ createdAt: later })];
      assert.equal(await said('main'), '');
    });
    it('waits for no .env file that is a pipe', async () => {
      const checkout = fakeCheckout({ path: repository });
      engine.overview.environments = [fakeEnvironment()];
      engine.overview.checkouts = [checkout];
      engine.script.checkoutUse = () => ({ checkout, job: null });
      execFileSync('mkfifo', [join(repository, '.env')]);
      const { code, stderr } = await type(['use'], { engine, cwd: repository });
      assert.deepEqual([code, stderr], [0, '']);
    });
    it('says which variables of .env files still lead to the source, until the file has the block', async () => {
      const checkout = fakeCheckout({ path: repository });
      engine.overview.environments = [fakeEnvironment()];
      engine.overview.checkouts = [checkout];
      engine.script.checkoutUse = () => ({ checkout, job: null });
      writeFileSync(
        join(repository, '.env'),
        'PORT=1\nDATABASE_URL="postgres://anna:s@db:5432/shop?sslmode=require"\nOTHER=postgres://db/other\n',
      );
      writeFileSync(join(repository, 'src', '.env.local'), 'DB_URL=postgresql://x@DB/shop\n');
      writeFileSync(join(repository, '.env.example'), 'DATABASE_URL=postgres://anna@db/shop\n');
      const { code, stderr } = await type(['use'], { engine, cwd: join(repository, 'src') });
      assert.equal(code, 0);
      assert.equal(
        stderr,
        [
          '.env:2: DATABASE_URL leads to the source of shop: what reads this file works on the real database.' +
            " Keep the checkout's variables there: thin-clones env vars --write .env",
          'src/.env.local:1: DB_URL leads to the source of shop: what reads this file works on the real database.' +
            " Give it the checkout's value, below workspace: in thin-clones.yaml: variables: { DB_URL: '{orders.url}' }",
          '',
        ].join('\n'),
      );
      engine.overview.checkouts = [
        fakeCheckout({ path: repository, envFile: { file: '.env', state: 'written', problem: null } }),
      ];
      assert.equal((await type(['use'], here())).stderr, '');
    });
    it('goes on with the engine that comes after one that went', async () => {
      let asked = 0;
      engine.script.checkoutUse = () => {
        if (++asked === 1) throw fail('shutting_down', {});
        return { checkout: fakeCheckout(), job: null };
      };
      assert.equal((await type(['use'], here())).code, 0);
      assert.equal(calls('checkoutOpen').length, 2);
    });
    it('starts again what an engine did not bring to its end', async () => {
      const error = fail('interrupted', { job: ids.job }).document;
      const job = fakeJob({ state: 'failed', error });
      engine.overview.jobs = [job];
      let asked = 0;
      engine.script.checkoutUse = () => ({ checkout: fakeCheckout(), job: ++asked === 1 ? job : null });
      assert.equal((await type(['use'], here())).code, 0);
      assert.equal(asked, 2);
    });
    it('leaves the clone in the making at Ctrl-C: another agent may wait for it too', async () => {
      const job = fakeJob();
      engine.overview.jobs = [job];
      engine.script.checkoutUse = () => ({ checkout: fakeCheckout({ state: 'switching' }), job });
      const running = start(['use', '--json'], here());
      await engine.listened();
      running.interrupt();
      const ended = await running.ended;
      assert.deepEqual([ended.code, errorOf(ended).code], [exitCodes.failed, 'job_left']);
      assert.equal(calls('jobCancel').length, 0);
    });
    it("fails with the job's own error", async () => {
      const error = fail('storage_full', { storage: 'pool', freeBytes: 0 }).document;
      engine.script.checkoutUse = () => ({
        checkout: fakeCheckout({ state: 'switching', job: ids.job }),
        job: fakeJob({ state: 'failed', error }),
      });
      const ended = await type(['use', '--json'], here());
      assert.deepEqual([ended.code, errorOf(ended).code], [exitCodes.failed, 'storage_full']);
    });
    it('says with 3 why there is no database, and what to do', async () => {
      const none = fakeCheckout({
        state: 'none',
        clone: null,
        reason: 'Branch docs/a never gets a clone.',
        next: 'Name one: thin-clones use CLONE',
      });
      engine.script.checkoutUse = () => ({ checkout: none, job: null });
      engine.script.checkoutShow = () => none;
      const ended = await type(['use'], here());
      assert.equal(ended.code, exitCodes.refused);
      assert.equal(
        ended.stderr,
        'error: /repo has no database now: Branch docs/a never gets a clone.\nName one: thin-clones use CLONE\n',
      );
    });
    for (const argv of [
      ['use', '--off'],
      ['use', '--follow', 'off'],
    ]) {
      it(`no longer follows with ${argv.join(' ')}`, async () => {
        assert.equal((await type(argv, here())).code, 0);
        assert.deepEqual(bodyOf('checkoutOpen'), { folder: repository, follow: 'off' });
        assert.equal(calls('checkoutUse').length, 0);
      });
    }
    it('forgets and unbinds only what is known, from any folder of it', async () => {
      const unknown = await type(['use', '--forget', '--json'], here());
      assert.deepEqual([unknown.code, errorOf(unknown).code], [exitCodes.refused, 'not_followed']);
      engine.overview.checkouts = [
        fakeCheckout({ id: 'checkout-ffffffffffffffff', path: '/' }),
        fakeCheckout({ path: repository }),
      ];
      engine.script.checkoutForget = () => ({ forgotten: true });
      engine.script.checkoutUnbind = () => fakeCheckout();
      assert.equal(
        (await type(['use', '--forget'], { engine, cwd: join(repository, 'src', 'deep') })).code,
        0,
      );
      assert.equal((await type(['use', '--unbind', '-C', 'src'], here())).code, 0);
      assert.equal(calls('checkoutOpen').length, 0);
      for (const { params } of calls('checkoutForget', 'checkoutUnbind'))
        assert.equal(params.checkout, ids.checkout);
      assert.equal(calls('checkoutForget', 'checkoutUnbind').length, 2);
    });
    for (const argv of [
      ['use', 'a', '--off'],
      ['use', 'a', '--from', 'latest'],
      ['use', '--off', '--forget'],
      ['use', '--unbind', '--forget'],
      ['use', '--off', '--follow', 'ask'],
      ['use', '--follow', 'maybe'],
      ['use', 'a', 'b'],
    ]) {
      it(`ends with 2 at ${argv.join(' ')}`, async () => {
        assert.equal((await type(argv, here())).code, exitCodes.usage);
        assert.equal(engine.calls.length, 0);
      });
    }
  });

  describe('exec', () => {
    const executed: ExecutedCommand[] = [];
    beforeEach(() => executed.splice(0));
    const run = (argv: string[], exitCode = 0) =>
      type(argv, { ...here(), executed, exitCode, variables: { PATH: '/bin', DATABASE_URL: 'mine' } });

    it('runs a program with the variables added to its environment, and ends as it does', async () => {
      const { code, stdout, stderr } = await run(['exec', '--', 'npm', 'test', '--json', '-C', 'x'], 42);
      assert.deepEqual([code, stdout, stderr], [42, '', '']);
      assert.deepEqual(executed, [
        {
          program: 'npm',
          args: ['test', '--json', '-C', 'x'],
          cwd: repository,
          environment: { PATH: '/bin', DATABASE_URL: url },
        },
      ]);
    });
    describe('puts client programs that come along on the search path', () => {
      const ours: ClientProgram = { folder: '/ours/bin', major: 18, machine: 'none' };
      const pathWith = async (programs: ClientProgram[], variables: Record<string, string> = {}) => {
        const typed = { ...here(), executed, variables: { PATH: '/bin', ...variables } };
        const ended = await type(['exec', '--', 'pg_dump'], { ...typed, clientPrograms: programs });
        assert.equal(ended.code, 0, ended.stderr);
        return executed[0]?.environment['PATH'];
      };
      const version = (text: string) => {
        const members = fakeClone().members.map((each) => ({ ...each, version: text }));
        engine.script.cloneShow = () => fakeClone({ members });
      };

      it('after all that the machine has, where it lacks them', async () => {
        assert.equal(await pathWith([ours]), ['/bin', '/ours/bin'].join(delimiter));
        assert.equal(calls('cloneShow').length, 0);
      });
      it("before those of the machine, where these are older than the clone's server", async () => {
        version('17');
        assert.equal(await pathWith([{ ...ours, machine: 16 }]), ['/ours/bin', '/bin'].join(delimiter));
      });
      it("not where those of the machine are as new as the clone's server, whatever ours are", async () => {
        version('16');
        assert.equal(await pathWith([{ ...ours, machine: 16 }]), '/bin');
      });
      it('not where those of the machine are as new as ours, or do not say, without a question', async () => {
        const newer: ClientProgram[] = [
          { ...ours, machine: 18 },
          { ...ours, machine: 19 },
        ];
        assert.equal(await pathWith([...newer, { ...ours, machine: 'unknown' }]), '/bin');
        assert.equal(calls('cloneShow').length, 0);
      });
      it('each by itself', async () => {
        version('18');
        const path = await pathWith([
          { ...ours, machine: 15 },
          { ...ours, folder: '/ours/psql', machine: 18 },
        ]);
        assert.equal(path, ['/ours/bin', '/bin'].join(delimiter));
      });
      it('not before those of the machine where TLS is asked for, which ours do not have', async () => {
        version('18');
        assert.equal(await pathWith([{ ...ours, machine: 15 }], { PGSSLMODE: 'verify-full' }), '/bin');
      });
      it('not while nobody knows the version of the server', async () => {
        const switching = fakeCheckout({ state: 'switching', clone: null });
        engine.overview.checkouts = [switching];
        engine.script.checkoutUse = () => ({ checkout: switching, job: fakeJob() });
        const typed = { ...here(), executed, variables: { PATH: '/bin' } };
        const clientPrograms: ClientProgram[] = [{ ...ours, machine: 15 }];
        await type(['exec', '--no-wait', '--', 'true'], { ...typed, clientPrograms });
        assert.equal(executed[0]?.environment['PATH'], '/bin');
      });
      it('not where there is no search path, which stands for that of the system', async () => {
        const typed = { ...here(), executed, variables: {} };
        await type(['exec', '--', 'true'], { ...typed, clientPrograms: [ours] });
        assert.equal(executed[0]?.environment['PATH'], undefined);
      });
    });
    it('says which variables lead to the source where the program gets no other value', async () => {
      engine.overview.environments = [fakeEnvironment()];
      engine.overview.checkouts = [fakeCheckout({ path: repository })];
      writeFileSync(join(repository, '.env'), 'DATABASE_URL=postgres://db/shop\nDB_URL=postgres://db/shop\n');
      const { stderr } = await run(['exec', '--', 'true']);
      assert.match(stderr, /^\.env:2: DB_URL leads to the source of shop: .*\n$/);
    });
    it('leaves the options of the program alone, also without --', async () => {
      await run(['exec', '-C', 'src', 'psql', '--version', '-C', 'x', '--', 'y']);
      assert.deepEqual(executed[0]?.args, ['--version', '-C', 'x', '--', 'y']);
      assert.deepEqual(
        executed.map(({ cwd }) => cwd),
        [join(repository, 'src')],
      );
      assert.deepEqual(bodyOf('checkoutOpen'), { folder: join(repository, 'src') });
    });
    it('is the yes to a question', async () => {
      engine.overview.checkouts = [askingCheckout()];
      await run(['exec', '--', 'true']);
      assert.equal(calls('checkoutUse').length, 1);
      assert.equal(executed.length, 1);
    });
    it('leaves a checkout that is ready as it is', async () => {
      await run(['exec', '--', 'true']);
      assert.equal(calls('checkoutUse').length, 0);
      assert.equal(executed.length, 1);
    });
    it('does not wait with --no-wait', async () => {
      const switching = fakeCheckout({ state: 'switching', clone: null });
      engine.overview.checkouts = [switching];
      engine.script.checkoutUse = () => ({ checkout: switching, job: fakeJob() });
      await run(['exec', '--no-wait', '--', 'true']);
      assert.equal(executed.length, 1);
      assert.equal(calls('checkoutShow', 'jobShow').length, 0);
    });
    it('runs nothing when there is no database', async () => {
      engine.script.checkoutOpen = () => {
        throw fail('not_a_checkout', { folder: repository });
      };
      const { code, stdout, stderr } = await run(['exec', '--', 'true']);
      assert.deepEqual([code, stdout, executed.length], [exitCodes.failed, '', 0]);
      assert.match(stderr, /is not in a working tree of a Git repository/);
    });
    it('needs a program', async () => {
      assert.equal((await run(['exec', '--'])).code, exitCodes.usage);
      assert.equal((await run(['exec'])).code, exitCodes.usage);
    });
  });

  describe('env vars', () => {
    it('prints what a program needs, and nothing else', async () => {
      const { code, stdout, stderr } = await type(['env', 'vars'], here());
      assert.deepEqual([code, stdout, stderr], [0, `DATABASE_URL="${url}"\n`, '']);
    });
    it('prints one object with --json and with --format json', async () => {
      for (const argv of [['--json'], ['--format', 'json']]) {
        const { stdout } = await type(['env', 'vars', ...argv], here());
        assert.deepEqual(JSON.parse(stdout), { DATABASE_URL: url });
      }
    });
    it('says on stderr when nothing answers there now', async () => {
      engine.overview.checkouts = [askingCheckout()];
      const { code, stdout, stderr } = await type(['env', 'vars'], here());
      assert.deepEqual(
        [code, stdout, stderr],
        [0, `DATABASE_URL="${url}"\n`, 'Branch feature/a has no clone yet. Make one: thin-clones use\n'],
      );
    });
    it('has none without an environment', async () => {
      engine.overview.checkouts = [fakeCheckout({ environment: null, state: 'none', endpoints: [] })];
      const ended = await type(['env', 'vars', '--json'], here());
      assert.deepEqual([ended.code, errorOf(ended).code], [exitCodes.failed, 'environment_unchosen']);
    });
    it('keeps them in a file, named from where one stands', async () => {
      engine.overview.checkouts = [fakeCheckout({ path: repository })];
      engine.script.checkoutEnvFile = ({ body }) =>
        fakeCheckout({
          path: repository,
          envFile: body.file === null ? null : { file: body.file, state: 'written', problem: null },
        });
      const cwd = join(repository, 'src');
      const ended = await type(['env', 'vars', '--write', '.env'], { engine, cwd });
      assert.deepEqual([ended.code, ended.stdout], [0, 'src/.env carries DATABASE_URL.\n']);
      await type(['env', 'vars', '--write', '../.env', '--allow-tracked'], { engine, cwd });
      await type(['env', 'vars', '--remove'], { engine, cwd });
      assert.deepEqual(
        calls('checkoutEnvFile').map(({ body }) => body),
        [{ file: 'src/.env' }, { file: '.env', allowTracked: true }, { file: null }],
      );
    });
    for (const argv of [
      ['--write', '/etc/profile'],
      ['--write', '../.env'],
      ['--write', '.'],
      ['--allow-tracked'],
      ['--write', '.env', '--remove'],
      ['--format', 'xml'],
    ]) {
      it(`ends with 2 at ${argv.join(' ')}`, async () => {
        engine.overview.checkouts = [fakeCheckout({ path: repository })];
        const ended = await type(['env', 'vars', ...argv], here());
        assert.equal(ended.code, exitCodes.usage, ended.stderr);
        assert.equal(calls('checkoutEnvFile').length, 0);
      });
    }
    it('gives every value to a real sh as it is', () => {
      const awkward = [
        password,
        '',
        ' ',
        '\n',
        'a\nb\n',
        "'",
        "''",
        '"',
        '\\',
        "\\'",
        '$HOME',
        '${x}',
        '$(id)',
        '`id`',
        '!',
        '#',
        '&;|<>',
        '*?[a]~',
        '\t',
        '\u001b[0m',
        'ä😀',
        '%s',
        '-n',
      ];
      const values = Object.fromEntries(awkward.map((value, index) => [`V${index}`, value]));
      const script = 'eval "$1"; shift; for name; do printenv "$name"; done';
      const text = formatVariables(values, 'shell');
      const told = execFileSync('sh', ['-c', script, 'sh', text, ...Object.keys(values)], {
        encoding: 'utf8',
      });
      assert.equal(told, awkward.map((value) => `${value}\n`).join(''));
    });
    it('quotes as fish and PowerShell do', () => {
      assert.equal(formatVariables({ A: "a'b\\c$d" }, 'fish'), "set -gx A 'a\\'b\\\\c$d'");
      assert.equal(formatVariables({ A: "a'b’c$d\\" }, 'powershell'), "$env:A = 'a''b’’c$d\\'");
    });
    it('says which formats can carry what a .env file can not', async () => {
      engine.script.checkoutConnection = () => ({
        items: [{ ...fakeConnection(), password: `'"` }],
      });
      engine.overview.checkouts = [fakeCheckout({ variables: { P: '{orders.password}' } })];
      const refused = await type(['env', 'vars'], here());
      assert.deepEqual([refused.code, refused.stdout], [exitCodes.usage, '']);
      assert.match(refused.stderr, /--format shell or --format json/);
      assert.ok(!refused.stderr.includes(`'"`));
      assert.equal((await type(['env', 'vars', '--format', 'shell'], here())).stdout, `export P=''\\''"'\n`);
    });
  });

  describe('variables that are no plain connection', () => {
    const held = { heldVariables: [{ name: 'MAKEFILES', value: './evil\u001b[31m.mk', state: 'asking' }] };
    beforeEach(() => (engine.overview.checkouts = [fakeCheckout(held)]));

    for (const words of [
      ['env', 'vars'],
      ['exec', '--', process.execPath, '-e', 'process.exit(7)'],
    ])
      it(`keep ${words[0]} from running, with what to type`, async () => {
        engine.script.checkoutUse = () => ({ checkout: fakeCheckout(held), job: null });
        const { code, stdout, stderr } = await type(words, here());
        assert.deepEqual([code, stdout], [exitCodes.refused, '']);
        assert.match(stderr, /MAKEFILES="\.\/evil\\u001b\[31m\.mk"/);
        assert.match(stderr, /thin-clones use --allow-variable MAKEFILES/);
        assert.equal(calls('checkoutConnection').length, 0);
      });
    it('keep nothing from running once they are refused', async () => {
      engine.overview.checkouts = [
        fakeCheckout({ heldVariables: [{ name: 'MAKEFILES', value: './evil.mk', state: 'refused' }] }),
      ];
      const { code, stdout } = await type(['env', 'vars'], here());
      assert.equal(code, 0);
      assert.doesNotMatch(stdout, /MAKEFILES/);
    });
    it('are told by use and by checkout show', async () => {
      engine.script.checkoutUse = () => ({ checkout: fakeCheckout(held), job: null });
      for (const words of [['use'], ['checkout', 'show', ids.checkout]]) {
        const { code, stdout } = await type(words, here());
        assert.equal(code, 0);
        assert.match(stdout, /not set.*MAKEFILES=.*--allow-variable MAKEFILES/i);
      }
    });
    for (const answer of ['allow', 'refuse'] as const)
      it(`are answered with ${answer} by name, with the value that stands there`, async () => {
        engine.script.checkoutVariable = () => fakeCheckout();
        const { code, stdout, stderr } = await type(['use', `--${answer}-variable`, 'MAKEFILES'], here());
        assert.equal(code, 0, stderr);
        assert.deepEqual(
          calls('checkoutVariable').map(({ body }) => body),
          [{ name: 'MAKEFILES', value: './evil\u001b[31m.mk', answer }],
        );
        assert.match(
          stdout,
          answer === 'allow' ? / is set in all checkouts/ : / is not set in all checkouts/,
        );
        assert.equal(calls('checkoutUse').length, 0);
      });
    it('are not answered when the file has none of the name', async () => {
      const { code, stderr } = await type(['use', '--allow-variable', 'MAKEFILE'], here());
      assert.equal(code, exitCodes.refused);
      assert.match(stderr, /no variable MAKEFILE/);
      assert.equal(calls('checkoutVariable').length, 0);
    });
  });

  describe('checkout', () => {
    it('lists what is followed', async () => {
      engine.overview.checkouts = [
        fakeCheckout(),
        askingCheckout({ id: 'checkout-ffffffffffffffff', path: '/other', kind: 'worktree' }),
      ];
      const { stdout } = await type(['checkout', 'list'], here());
      assert.equal(
        stdout,
        [
          'PATH    BRANCH     STATE   CLONE      ENVIRONMENT  FOLLOW  PORTS',
          '/repo   feature/a  ready   feature/a  shop         ask     40123',
          '/other  feature/a  asking  -          shop         ask     40123',
          '',
        ].join('\n'),
      );
      assert.deepEqual(JSON.parse((await type(['checkout', 'list', '--json'], here())).stdout), {
        items: engine.overview.checkouts,
      });
    });
    it('shows one with its question, its reason and its taken port', async () => {
      engine.overview.checkouts = [
        askingCheckout({
          path: repository,
          endpoints: fakeCheckout().endpoints.map((each) => ({ ...each, state: 'taken' })),
        }),
      ];
      const { stdout } = await type(['checkout', 'show', 'src'], here());
      assert.match(stdout, /^state: +asking: Branch feature\/a has no clone yet\.$/m);
      assert.match(stdout, /^next: +Make one: thin-clones use$/m);
      assert.match(
        stdout,
        /^question: +make a clone for feature\/a, from latest\? thin-clones checkout answer yes$/m,
      );
      assert.match(stdout, /^port of orders: .*\(taken by another program: thin-clones checkout ports\)$/m);
      assert.equal(calls('checkoutOpen').length, 0);
    });
    it('tells a detached HEAD and what is under way there', async () => {
      const head = { kind: 'detached', commit: 'b'.repeat(40), operation: 'rebase', branch: 'feature/a' };
      engine.overview.checkouts = [fakeCheckout({ path: repository, head })];
      const { stdout } = await type(['checkout', 'show'], here());
      assert.match(stdout, /^branch: +detached at bbbbbbbbbb \(rebase of feature\/a under way\)$/m);
    });
    it('gets other ports', async () => {
      engine.overview.checkouts = [fakeCheckout({ path: repository })];
      engine.script.checkoutPorts = () => fakeCheckout({ path: repository });
      const { stdout } = await type(['checkout', 'ports'], here());
      assert.equal(stdout, 'MEMBER  PORT             STATE\norders  127.0.0.1:40123  listening\n');
    });
    it('answers the question that it asks', async () => {
      engine.overview.checkouts = [askingCheckout({ path: repository })];
      engine.script.checkoutAnswer = () => fakeCheckout({ path: repository });
      for (const argv of [['yes'], ['no', '--remember', 'branch'], ['no', '--pattern', 'docs/**']])
        assert.equal((await type(['checkout', 'answer', ...argv], here())).code, 0);
      assert.deepEqual(
        calls('checkoutAnswer').map(({ body }) => body),
        [
          { branch: 'feature/a', answer: 'create', remember: 'once' },
          { branch: 'feature/a', answer: 'none', remember: 'branch' },
          { branch: 'feature/a', answer: 'none', remember: 'pattern', pattern: 'docs/**' },
        ],
      );
    });
    it('says for how long a no holds', async () => {
      engine.overview.checkouts = [askingCheckout({ path: repository })];
      engine.script.checkoutAnswer = () => fakeCheckout({ path: repository });
      const said = async (...argv: string[]) =>
        (await type(['checkout', 'answer', 'no', ...argv], here())).stdout.trim();
      assert.equal(await said(), 'Branch feature/a gets no clone this time.');
      assert.equal(
        await said('--remember', 'branch'),
        'Branch feature/a gets no clone, and is not asked about again.',
      );
      assert.equal(
        await said('--pattern', 'docs/**'),
        'Branches like docs/** get no clone, and are not asked about again.',
      );
      assert.match(await said('--remember', 'workspace'), /^This checkout is not followed any more\./);
    });
    it('refuses an answer that is none, and one to no question', async () => {
      engine.overview.checkouts = [fakeCheckout({ path: repository })];
      const nothing = await type(['checkout', 'answer', 'yes', '--json'], here());
      assert.deepEqual([nothing.code, errorOf(nothing).code], [exitCodes.refused, 'no_question']);
      assert.equal((await type(['checkout', 'answer', 'maybe'], here())).code, exitCodes.usage);
    });
  });

  describe('clean', () => {
    const proposal = (name: string, changes: object = {}) => ({
      clone: `clone-${name.repeat(16)}`,
      name,
      environment: 'shop',
      repository: '/repo/.git',
      branch: `feature/${name}`,
      reason: 'merged',
      since: '2026-11-21T09:03:00.000Z',
      createdAt: '2026-11-19T10:03:00.000Z',
      createdBy: 'anna',
      isProtected: false,
      bytes: { unshared: 400_000, logical: null },
      destroyAt: null,
      ...changes,
    });
    const all = [
      proposal('a'),
      proposal('b', { isProtected: true, reason: 'deleted' }),
      proposal('c', { createdBy: 'bob' }),
      proposal('d', { reason: 'worktree-removed', destroyAt: '2026-11-28T10:00:00.000Z' }),
    ];
    let items: object[];
    beforeEach(() => {
      items = all;
      engine.script.proposalList = () => ({ items }) as never;
      engine.script.cloneDestroy = ({ params }) => ({
        job: fakeJob({ state: 'succeeded', object: { kind: 'clone', id: params.clone ?? '', name: 'x' } }),
      });
    });
    const destroyed = () => calls('cloneDestroy').map(({ params }) => (params.clone ?? '').slice(6, 7));

    it('lists what could go, and what is left and why, and destroys nothing with --dry-run', async () => {
      const { stdout } = await type(['clean', '--dry-run'], here());
      assert.equal(
        stdout,
        [
          'CLONE  ENVIRONMENT  BRANCH     WHY               SINCE    AGE      OWNER  FREES   GOES',
          'a      shop         feature/a  merged            1 h ago  2 d ago  anna   400 KB  when you say so',
          'b      shop         feature/b  branch deleted    1 h ago  2 d ago  anna   400 KB  no: protected',
          'c      shop         feature/c  merged            1 h ago  2 d ago  bob    400 KB  no: made by bob',
          'd      shop         feature/d  worktree removed  1 h ago  2 d ago  anna   400 KB  2026-11-28T10:00:00.000Z',
          '',
        ].join('\n'),
      );
      assert.deepEqual(destroyed(), []);
    });
    it("destroys one's own that are not protected, after asking", async () => {
      const ended = await type(['clean'], { ...here(), terminal: true, answers: ['y'] });
      assert.match(ended.stderr, /Destroy 2 clones and all data in them\? \[y\/N\]/);
      assert.deepEqual(destroyed(), ['a', 'd']);
      assert.equal(ended.stdout, 'Clone a is destroyed.\nClone d is destroyed.\n');
      const no = await type(['clean'], { ...here(), terminal: true, answers: ['n'] });
      assert.equal(no.code, exitCodes.failed);
      assert.deepEqual(destroyed(), ['a', 'd']);
    });
    it('needs --yes without a terminal', async () => {
      assert.equal((await type(['clean'], here())).code, exitCodes.usage);
      assert.deepEqual(destroyed(), []);
    });
    it("destroys only those that are named, and never a protected or another person's one", async () => {
      assert.equal((await type(['clean', 'd', '--yes'], here())).code, 0);
      assert.deepEqual(destroyed(), ['d']);
      for (const [name, expected] of [
        ['b', exitCodes.usage],
        ['c', exitCodes.usage],
        ['unknown', exitCodes.refused],
      ] as const)
        assert.equal((await type(['clean', name, '--yes'], here())).code, expected);
      assert.deepEqual(destroyed(), ['d']);
    });
    it('leaves a clone that was used again while the question stood', async () => {
      engine.script.proposalList = () => {
        const now = { items } as never;
        items = all.filter(({ name }) => name !== 'a');
        return now;
      };
      const { stdout } = await type(['clean', '--yes'], here());
      assert.equal(stdout, 'Clone a is left: it is in use again\nClone d is destroyed.\n');
    });
    it('goes on with the others when one can not go, and ends as that one did', async () => {
      const destroy = engine.script.cloneDestroy;
      engine.script.cloneDestroy = (call) => {
        if ((call.params.clone ?? '').startsWith('clone-a'))
          throw fail('busy', { kind: 'clone', name: 'a', job: 'job-1', doing: 'Reset', by: 'anna' });
        assert.ok(destroy);
        return destroy(call);
      };
      const ended = await type(['clean', '--yes', '--json'], here());
      assert.equal(ended.code, exitCodes.refused);
      const told = JSON.parse(ended.stdout) as { items: { name: string; outcome: string }[] };
      assert.deepEqual(
        told.items.map(({ name, outcome }) => [name, outcome]),
        [
          ['a', 'left'],
          ['d', 'destroyed'],
        ],
      );
    });
    it('says when there is nothing', async () => {
      items = [];
      assert.equal((await type(['clean'], here())).stdout, 'There is nothing to clean up.\n');
    });
  });

  describe('migrations', () => {
    const report = (changes: object = {}) => ({
      member: 'orders',
      tool: 'sql',
      directory: 'db',
      table: 'public.migrations',
      state: 'in-step',
      pending: [],
      missing: [],
      edited: [],
      failed: [],
      outOfOrder: [],
      counts: { files: 2, applied: 2, pending: 0, missing: 0, edited: 0, failed: 0 },
      message: 'plain SQL: in step.',
      problem: null,
      ...changes,
    });
    const diverged = report({
      state: 'diverged',
      pending: [
        { name: '1', file: 'db/1.sql' },
        { name: '3', file: 'db/3.sql' },
      ],
      outOfOrder: [{ name: '1', file: 'db/1.sql' }],
      missing: [{ name: '9' }],
      edited: [{ name: '2', file: 'db/2.sql' }],
      message: 'plain SQL: diverged.',
    });
    const tell = (...items: object[]) => (engine.script.checkoutMigrations = () => ({ items }) as never);

    it('names the files', async () => {
      tell(report(), diverged);
      const { code, stdout } = await type(['migrations'], here());
      assert.equal(code, 0);
      assert.equal(
        stdout,
        [
          'orders, plain SQL: in-step (db, 2 files; public.migrations, 2 applied)',
          'plain SQL: in step.',
          '',
          'orders, plain SQL: diverged (db, 2 files; public.migrations, 2 applied)',
          'plain SQL: diverged.',
          'STATE    FILE      WHAT',
          'edited   db/2.sql  applied as 2, changed since',
          'missing  9         applied, and not in the checkout',
          'pending  db/1.sql  comes before one that is applied',
          'pending  db/3.sql',
          '',
        ].join('\n'),
      );
    });
    it('tells of a single file, and of a mistake in thin-clones.yaml', async () => {
      engine.script.checkoutOpen = () => fakeCheckout({ problem: 'thin-clones.yaml:9:15: no list' });
      tell(report({ counts: { files: 1, applied: 1, pending: 0, missing: 0, edited: 0, failed: 0 } }));
      const { stdout, stderr } = await type(['migrations'], here());
      assert.match(stdout, /\(db, 1 file; public\.migrations, 1 applied\)/);
      assert.equal(stderr, 'thin-clones.yaml:9:15: no list\n');
    });
    it('says why there is no database, and what to do', async () => {
      const reason = 'Branch feature/a has no clone yet.';
      const none = fakeCheckout({ state: 'asking', clone: null, reason, next: 'Make one: thin-clones use' });
      engine.script.checkoutOpen = () => none;
      const { code, stderr } = await type(['migrations'], here());
      assert.equal(code, exitCodes.refused);
      assert.equal(stderr, `error: /repo has no database now: ${reason}\nMake one: thin-clones use\n`);
    });
    it('says a problem once', async () => {
      const none = { member: null, tool: null, directory: null, table: null, state: 'unknown' };
      tell(
        report({
          ...none,
          message: 'Unknown: no files are there; say where.',
          problem: 'No files are there.',
        }),
      );
      assert.equal(
        (await type(['migrations'], here())).stdout,
        'migrations: unknown\nUnknown: no files are there; say where.\n',
      );
    });
    it('ends with 1 with --check unless all are in step, and with 5 where that can not be told', async () => {
      tell(report());
      assert.equal((await type(['migrations', '--check'], here())).code, 0);
      const unknown = report({ state: 'unknown' });
      // Scripts go by the numbers.
      assert.deepEqual([exitCodes.failed, exitCodes.unknown], [1, 5]);
      for (const [code, ...items] of [
        [exitCodes.failed, report(), diverged],
        [exitCodes.failed, unknown, diverged],
        [exitCodes.failed],
        [exitCodes.unknown, unknown],
        [exitCodes.unknown, report(), unknown],
      ] as const) {
        tell(...items);
        assert.equal((await type(['migrations', '--check', '--json'], here())).code, code);
        assert.equal((await type(['migrations'], here())).code, 0);
      }
    });
    it('refuses with 3 without a clone', async () => {
      engine.script.checkoutMigrations = () => {
        throw fail('no_clone_for_branch', { path: '/repo', branch: 'a', reason: 'none was made' });
      };
      assert.equal((await type(['migrations', '--check'], here())).code, exitCodes.refused);
    });
  });
});
