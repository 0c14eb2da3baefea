import assert from 'node:assert/strict';
import type { Clone } from '../../../engine/protocol/entities.ts';
import { exitCodes } from '../../../engine/cli/exitCode.ts';
import { fail } from '../../../engine/protocol/errors.ts';
import { errorOf, start, type } from './commandLine.ts';
import {
  at,
  fakeClone,
  fakeConnection,
  fakeEnvironment,
  fakeInfo,
  fakeJob,
  fakeLine,
  fakeSnapshot,
  ids,
  startFakeEngine,
  type FakeEngine,
} from './fakeEngine.ts';

describe('thin-clones', () => {
  let engine: FakeEngine;
  beforeEach(async () => {
    engine = await startFakeEngine();
    engine.overview.environments = [fakeEnvironment()];
    engine.overview.snapshots = [fakeSnapshot()];
    engine.overview.clones = [fakeClone()];
  });
  afterEach(() => engine.close());
  const called = () => engine.calls.map(({ route }) => route);
  const bodyOf = (route: string) => engine.calls.find((call) => call.route === route)?.body;
  const succeeded = () => ({ job: fakeJob({ state: 'succeeded', endedAt: at }) });

  describe('usage', () => {
    it('suggests the command that was probably meant and ends with 2', async () => {
      const ended = await type(['clone', 'creat', 'shop'], { engine });
      assert.equal(ended.code, exitCodes.usage);
      assert.equal(ended.stdout, '');
      assert.equal(
        ended.stderr,
        `error: Unknown command 'creat' (Did you mean create?)\nSee "thin-clones clone --help".\n`,
      );
    });
    for (const argv of [
      ['frobnicate'],
      ['clone', 'url'],
      ['clone', 'url', 'a', '--format', 'xml'],
      ['clone', 'list', '--bogus'],
      ['clone', 'protect', 'a', '--for', '8 hours'],
      ['clone', 'protect', 'a', '--for', '8h', '--off'],
      ['clone', 'commit', 'a'],
      ['job', 'list', '--limit', '0'],
      ['clone'],
    ]) {
      it(`answers "${argv.join(' ')} --json" with a usage error as one JSON document`, async () => {
        const ended = await type([...argv, '--json'], { engine });
        assert.equal(ended.code, exitCodes.usage);
        const { code, message, next } = errorOf(ended);
        assert.equal(code, 'usage');
        assert.notEqual(message, '');
        assert.match(next, /^See "thin-clones.* --help"\.$/);
        assert.equal(ended.stderr, '');
        assert.deepEqual(called(), []);
      });
    }
    it('prints help and version to stdout and ends with 0', async () => {
      const help = await type(['clone', 'create', '--help']);
      assert.equal(help.code, 0);
      assert.match(help.stdout, /--snapshot <id>/);
      assert.match(help.stdout, /--json/);
      const version = await type(['--version']);
      assert.deepEqual([version.code, version.stdout], [0, '0.1.0\n']);
    });
    it('takes --json on every command', async () => {
      for (const name of ['use', 'exec', 'migrations', 'clean'])
        assert.match((await type([name, '--help'])).stdout, /--json/, name);
      for (const group of ['engine', 'host', 'env', 'snapshot', 'clone', 'job', 'checkout']) {
        const { stdout } = await type([group, '--help']);
        const names = [...stdout.matchAll(/^ {2}([a-z]+) (?:\[|<|<| )/gm)].map(([, name]) => name ?? '');
        assert.ok(names.length >= 3, stdout);
        for (const name of names.filter((each) => each !== 'help' && each !== 'thin'))
          assert.match((await type([group, name, '--help'])).stdout, /--json/, `${group} ${name}`);
      }
    });
    it('shows the commands of a group when none is named and ends with 2', async () => {
      const ended = await type(['clone']);
      assert.equal(ended.code, exitCodes.usage);
      assert.match(ended.stderr, /create \[options\] \[env\]/);
    });
  });

  describe('lists and entities', () => {
    it('prints a list as one document of items, exactly as the protocol has them', async () => {
      const ended = await type(['clone', 'list', '--json'], { engine });
      assert.deepEqual(JSON.parse(ended.stdout), { items: [fakeClone()] });
      assert.deepEqual([ended.code, ended.stderr], [0, '']);
    });
    it('prints clones as a table', async () => {
      const { stdout } = await type(['clone', 'list', 'shop'], { engine });
      assert.equal(
        stdout,
        [
          'NAME       ENVIRONMENT  SNAPSHOT  STATE  PORT   OWN     CREATED    PROTECTED  BRANCH',
          'feature/a  shop         nightly   ready  54321  400 KB  3 min ago  -          -',
          '',
        ].join('\n'),
      );
    });
    it('prints no port of another host, but which one it is, and how to get one of this machine', async () => {
      const members = fakeClone().members.map((member) => ({ ...member, host: 'big' }));
      engine.overview.clones = [fakeClone({ environment: 'big/shop', members })];
      const { stdout } = await type(['clone', 'list'], { engine });
      assert.match(stdout, /\nfeature\/a +big\/shop +\S+ +ready +on big +400 KB/);
      const shown = await type(['clone', 'show', 'feature/a'], { engine });
      assert.match(shown.stdout, /^clone: +big\/feature\/a$/m);
      assert.match(
        shown.stdout,
        /ready, on big \(a port of this machine: thin-clones clone url big\/feature\/a\), user clone/,
      );
      for (const text of [stdout, shown.stdout]) assert.doesNotMatch(text, /54321/);
    });
    it('prints snapshots as a table, with what each was made of', async () => {
      engine.overview.snapshots = [fakeSnapshot({ origin: 'commit' })];
      const { stdout } = await type(['snapshot', 'list'], { engine });
      assert.match(stdout, /^NAME +ENVIRONMENT +ORIGIN +STATE/);
      assert.match(stdout, /\n\S+ +shop +commit +ready/);
    });
    it('prints environments as a table', async () => {
      const { stdout } = await type(['env', 'list'], { engine });
      assert.equal(
        stdout,
        [
          'NAME  HOST   MEMBERS  LATEST DATA  SNAPSHOTS  CLONES  REFRESH',
          'shop  local  orders   3 min ago    1          1       -',
          '',
        ].join('\n'),
      );
    });
    it('takes names with slashes wherever an object is named', async () => {
      await type(['clone', 'show', 'feature/a', '--json'], { engine });
      assert.equal(engine.calls[0]?.params.clone, 'feature/a');
    });
    it('ends with 3 for an unknown object and prints the error as JSON when asked to', async () => {
      const ended = await type(['clone', 'show', 'nope', '--json'], { engine });
      assert.equal(ended.code, exitCodes.refused);
      assert.equal(errorOf(ended).code, 'not_found');
      assert.equal(errorOf(ended).message, 'There is no clone "nope".');
      assert.equal(ended.stderr, '');
    });
    it('prints what to do next with an error', async () => {
      const ended = await type(['clone', 'show', 'nope'], { engine });
      assert.equal(ended.stdout, '');
      assert.equal(
        ended.stderr,
        'error: There is no clone "nope".\nList what there is with "thin-clones clone list".\n',
      );
    });
    it('never lets data move the cursor of a terminal', async () => {
      engine.overview.clones = [fakeClone({ branch: '\u001b[2Jevil\nline' })];
      const { stdout } = await type(['clone', 'list'], { engine, terminal: true, variables: {} });
      assert.match(stdout, / evil line\n$/);
      assert.ok(!stdout.includes('\u001b'));
    });
  });

  describe('engine', () => {
    it('says that none runs with 4', async () => {
      const ended = await type(['engine', 'status', '--json']);
      assert.equal(ended.code, exitCodes.unreachable);
      assert.equal(errorOf(ended).code, 'engine_unreachable');
    });
    it('prints the status of a running one', async () => {
      const ended = await type(['engine', 'status', '--json'], { engine });
      assert.deepEqual(JSON.parse(ended.stdout), fakeInfo);
      const { stdout } = await type(['engine', 'status'], { engine });
      assert.match(stdout, /^engine: +0\.1\.0, ready\nprocess: +4242\nup: +2 min/);
    });
    it('stops one, and is content when there is none', async () => {
      const stopped = await type(['engine', 'stop', '--json'], { engine });
      assert.deepEqual(JSON.parse(stopped.stdout), { stopped: true, pid: 4242 });
      const none = await type(['engine', 'stop', '--json']);
      assert.deepEqual([none.code, JSON.parse(none.stdout)], [0, { stopped: false, pid: null }]);
    });
  });

  describe('host doctor', () => {
    it('prints the command for a problem and ends with 1', async () => {
      engine.script.hostDoctor = () => ({
        items: [
          { name: 'storage', status: 'ok', message: 'btrfs, thin', fix: null },
          { name: 'pg_dump', status: 'problem', message: 'not found', fix: 'apt install postgresql-client' },
        ],
      });
      const ended = await type(['host', 'doctor'], { engine });
      assert.equal(ended.code, exitCodes.failed);
      assert.equal(
        ended.stdout,
        'ok       storage: btrfs, thin\nPROBLEM  pg_dump: not found\n         run: apt install postgresql-client\n',
      );
      assert.equal(engine.calls[0]?.params.host, 'local');
    });
  });

  describe('host certificate', () => {
    it('prints what clients trust, to be put into a file, or where that file is', async () => {
      engine.script.hostCertificate = () => ({
        path: '/home/you/thin-clones/tls/authority.crt',
        certificate: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
        validUntil: '2036-11-20T03:00:00.000Z',
      });
      const printed = await type(['host', 'certificate'], { engine });
      assert.equal(printed.stdout, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
      const path = await type(['host', 'certificate', '--path'], { engine });
      assert.equal(path.stdout, '/home/you/thin-clones/tls/authority.crt\n');
      assert.equal(engine.calls[0]?.params.host, 'local');
    });
  });

  describe('clone url', () => {
    for (const [format, expected] of [
      ['uri', "postgresql://clone:p%20w'd@127.0.0.1:54321/shop\n"],
      ['psql', `PGPASSWORD='p w'\\''d' psql -h 127.0.0.1 -p 54321 -U 'clone' -d 'shop'\n`],
      ['libpq', `host=127.0.0.1 port=54321 user='clone' password='p w\\'d' dbname='shop'\n`],
    ] as const) {
      it(`prints one line and nothing else as ${format}`, async () => {
        const ended = await type(['clone', 'url', 'feature/a', '--format', format], { engine });
        assert.deepEqual(ended, { code: 0, stdout: expected, stderr: '' });
      });
    }
    it('asks which member when there are several', async () => {
      engine.script.cloneConnection = () => ({
        items: [fakeConnection('orders', 1111), fakeConnection('billing', 2222)],
      });
      const ended = await type(['clone', 'url', 'a'], { engine });
      assert.equal(ended.code, exitCodes.usage);
      assert.match(ended.stderr, /has 2 members \(orders, billing\)/);
      const chosen = await type(['clone', 'url', 'a', '--member', 'billing'], { engine });
      assert.match(chosen.stdout, /:2222\/shop\n$/);
      const wrong = await type(['clone', 'url', 'a', '--member', 'nope'], { engine });
      assert.equal(wrong.code, exitCodes.refused);
    });
  });

  describe('jobs', () => {
    const running = () => {
      engine.overview.jobs = [fakeJob()];
      engine.lines = [fakeLine(1, 'first')];
      engine.script.cloneCreate = () => ({ job: fakeJob() });
    };
    const finish = (changes: object) => {
      engine.overview.jobs = [fakeJob({ endedAt: at, ...changes })];
      engine.emit({ kind: 'job', entity: fakeJob({ endedAt: at, ...changes }) });
    };

    it('waits for the clone, shows the lines on stderr and prints how to connect', async () => {
      running();
      const command = start(['clone', 'create', 'shop', '--name', 'feature/a'], { engine });
      await engine.listened();
      engine.emit({ kind: 'jobLine', entity: fakeLine(2, 'second', { level: 'warning' }) });
      engine.lines.push(fakeLine(2, 'second', { level: 'warning' }), fakeLine(3, 'third'));
      finish({ state: 'succeeded' });
      const ended = await command.ended;
      assert.equal(ended.code, 0);
      assert.equal(ended.stderr, '[copy] first\n[copy] warning: second\n[copy] third\n');
      assert.equal(
        ended.stdout,
        [
          'Clone feature/a is ready.',
          "postgresql://clone:p%20w'd@127.0.0.1:54321/shop",
          'Open it: psql "$(thin-clones clone url feature/a)"',
          '',
        ].join('\n'),
      );
      assert.deepEqual(bodyOf('cloneCreate'), { environment: 'shop', name: 'feature/a' });
    });
    it('prints the clone and nothing else with --json', async () => {
      engine.script.cloneCreate = succeeded;
      const ended = await type(['clone', 'create', 'shop', '--json'], { engine });
      assert.deepEqual(JSON.parse(ended.stdout), fakeClone());
      assert.ok(!ended.stdout.includes('password'));
    });
    it('shows progress on a status line of a terminal, and removes it at the end', async () => {
      running();
      const command = start(['clone', 'create', 'shop'], { engine, terminal: true });
      await engine.listened();
      await command.says('copy 50%');
      finish({ state: 'succeeded' });
      const { stderr } = await command.ended;
      assert.match(stderr, /Create clone feature\/a: copy 50%/);
      assert.ok(stderr.endsWith('\r\u001b[K'), JSON.stringify(stderr));
    });
    it('ends with the error of a job that failed, with its id', async () => {
      running();
      const command = start(['clone', 'create', 'shop', '--json'], { engine });
      await engine.listened();
      finish({ state: 'failed', error: fail('storage_full', { storage: 'pool', freeBytes: 0 }).document });
      const ended = await command.ended;
      assert.equal(ended.code, exitCodes.failed);
      assert.equal(errorOf(ended).code, 'storage_full');
      assert.equal(errorOf(ended).details.job, ids.job);
    });
    it('ends with 3 when a job was refused', async () => {
      engine.script.cloneCreate = () => {
        throw fail('name_taken', { kind: 'clone', name: 'feature/a' });
      };
      const ended = await type(['clone', 'create', 'shop'], { engine });
      assert.equal(ended.code, exitCodes.refused);
    });
    for (const [outcome, expected] of [
      ['is the same', '[copy] first\nerror: The storage pool is full.\nDelete snapshots'],
      ['is another one', '[copy] first\nerror: it hurts\nerror: The storage pool is full.\nDelete snapshots'],
    ] as const) {
      it(`says an error once, when the last line of the job ${outcome}`, async () => {
        running();
        const { document } = fail('storage_full', { storage: 'pool', freeBytes: 0 });
        const last = outcome === 'is the same' ? `${document.message} ${document.next}` : 'it hurts';
        const command = start(['clone', 'create', 'shop'], { engine });
        await engine.listened();
        engine.lines.push(fakeLine(2, last, { level: 'error', task: null }));
        finish({ state: 'failed', error: document });
        const { stderr } = await command.ended;
        assert.ok(stderr.startsWith(expected), stderr);
      });
    }
    it('goes on when the event stream breaks', async () => {
      running();
      const command = start(['clone', 'create', 'shop', '--json'], { engine });
      await engine.listened();
      engine.lines.push(fakeLine(2, 'while nobody listened'));
      engine.overview.jobs = [fakeJob({ state: 'succeeded', endedAt: at })];
      engine.breakStreams();
      const ended = await command.ended;
      assert.equal(ended.code, 0);
      assert.equal(ended.stderr, '[copy] first\n[copy] while nobody listened\n');
    });
    it('asks again and again when there is no event stream at all', async () => {
      running();
      engine.streams = false;
      let asked = 0;
      engine.script.overview = () => {
        if (++asked === 5) engine.overview.jobs = [fakeJob({ state: 'succeeded', endedAt: at })];
        return engine.overview;
      };
      const ended = await type(['clone', 'create', 'shop', '--json'], { engine });
      assert.deepEqual([ended.code, asked], [0, 5]);
    });
    it('cancels the job at Ctrl-C', async () => {
      running();
      engine.script.jobCancel = () => {
        const canceled = { state: 'cancelled', error: fail('canceled', {}).document };
        finish(canceled);
        return fakeJob(canceled);
      };
      const command = start(['clone', 'create', 'shop', '--json'], { engine });
      await engine.listened();
      command.interrupt();
      const ended = await command.ended;
      assert.equal(ended.code, exitCodes.failed);
      assert.equal(errorOf(ended).code, 'canceled');
    });
    it('leaves the job running at the second Ctrl-C', async () => {
      running();
      engine.script.jobCancel = () => fakeJob();
      const command = start(['clone', 'create', 'shop'], { engine });
      await engine.listened();
      command.interrupt();
      command.interrupt();
      const ended = await command.ended;
      assert.equal(ended.code, exitCodes.failed);
      assert.match(ended.stderr, /goes on without this command/);
    });
    it('prints the lines of a job to stdout and follows them to its end', async () => {
      running();
      const command = start(['job', 'logs', ids.job, '-f'], { engine });
      await engine.listened();
      engine.emit({ kind: 'jobLine', entity: fakeLine(2, 'second') });
      engine.lines.push(fakeLine(2, 'second'));
      finish({ state: 'failed', error: fail('internal', { problem: 'x' }).document });
      assert.deepEqual(await command.ended, {
        code: 0,
        stdout: `${at} [copy] first\n${at} [copy] second\n`,
        stderr: '',
      });
    });
    it('says that a job has no lines, beside stdout and not with --json', async () => {
      engine.overview.jobs = [fakeJob({ state: 'succeeded', endedAt: at })];
      for (const more of [[], ['-f']]) {
        const ended = await type(['job', 'logs', ids.job, ...more], { engine });
        const stderr = `Job ${ids.job} (Create clone feature/a) has no lines.\n`;
        assert.deepEqual(ended, { code: 0, stdout: '', stderr });
      }
      const ended = await type(['job', 'logs', ids.job, '--json'], { engine });
      assert.deepEqual([JSON.parse(ended.stdout), ended.stderr], [{ items: [] }, '']);
    });
    it('prints the lines of a job as one document with --json', async () => {
      running();
      const ended = await type(['job', 'logs', ids.job, '--json'], { engine });
      assert.deepEqual(JSON.parse(ended.stdout), { items: [fakeLine(1, 'first')] });
    });
  });

  describe('what loses data', () => {
    beforeEach(() => {
      const { script } = engine;
      script.cloneDestroy = script.cloneReset = script.snapshotDelete = script.environmentDelete = succeeded;
    });
    const destructive = [
      { argv: ['clone', 'destroy', 'feature/a'], route: 'cloneDestroy' },
      { argv: ['clone', 'reset', 'feature/a'], route: 'cloneReset' },
      { argv: ['snapshot', 'delete', 'nightly'], route: 'snapshotDelete' },
      { argv: ['env', 'delete', 'shop'], route: 'environmentDelete' },
    ] as const;
    for (const { argv, route } of destructive) {
      it(`needs --yes for "${argv.join(' ')}" without a terminal`, async () => {
        const ended = await type([...argv, '--json'], { engine });
        assert.equal(ended.code, exitCodes.usage);
        assert.match(errorOf(ended).next, /--yes/);
        assert.ok(!called().includes(route));
        assert.equal((await type([...argv, '--yes', '--json'], { engine })).code, 0);
        assert.ok(called().includes(route));
      });
      it(`asks before "${argv.join(' ')}" on a terminal`, async () => {
        const no = await type([...argv], { engine, terminal: true, answers: [''] });
        assert.equal(no.code, exitCodes.failed);
        assert.match(no.stderr, /\? \[y\/N\]/);
        assert.ok(!called().includes(route));
        const yes = await type([...argv], { engine, terminal: true, answers: ['y'] });
        assert.equal(yes.code, 0, yes.stderr);
        assert.ok(called().includes(route));
      });
    }
    it('destroys several clones after one question, each once, and none when one of them is not known', async () => {
      const other = fakeClone({
        id: fakeClone().id.replace(/.$/, 'z') as Clone['id'],
        name: 'b' as Clone['name'],
      });
      engine.overview.clones = [fakeClone(), other];
      const destroyed = () =>
        engine.calls.filter(({ route }) => route === 'cloneDestroy').map(({ params }) => params.clone);
      const unknown = await type(['clone', 'destroy', 'feature/a', 'nope', '--yes'], { engine });
      assert.equal(unknown.code, exitCodes.refused);
      assert.deepEqual(destroyed(), []);
      const argv = ['clone', 'destroy', 'feature/a', 'b', 'feature/a'];
      const ended = await type(argv, { engine, terminal: true, answers: ['y'] });
      assert.equal(ended.code, 0, ended.stderr);
      assert.match(ended.stderr, /Destroy the clones feature\/a, b and all their data\? /);
      assert.deepEqual(destroyed(), [fakeClone().id, other.id]);
    });
    it('tells what was changed in the clone before it asks', async () => {
      const reset = ['clone', 'reset', 'feature/a'];
      const unknown = await type(reset, { engine, terminal: true, answers: [''] });
      assert.match(unknown.stderr, /Reset clone feature\/a and lose its own data\? /);
      engine.script.cloneChanges = () => ({ counted: 'all', tables: [], schema: false });
      const known = await type(reset, { engine, terminal: true, answers: [''] });
      assert.match(known.stderr, /Nothing was changed in it\. Reset clone feature\/a\? /);
    });
    it('does not ask for a reset that keeps the present data', async () => {
      const ended = await type(['clone', 'reset', 'feature/a', '--keep-as', 'before'], { engine });
      assert.equal(ended.code, 0, ended.stderr);
      assert.deepEqual(bodyOf('cloneReset'), { keepAs: 'before' });
    });
  });

  describe('clone stop', () => {
    const stopped = () => fakeClone({ state: 'stopped', stoppedBy: 'anna' });
    it('stops without a question, for nothing is lost, and says how to start it', async () => {
      engine.script.cloneStop = succeeded;
      engine.script.cloneShow = stopped;
      const ended = await type(['clone', 'stop', 'feature/a'], { engine });
      assert.equal(ended.code, 0, ended.stderr);
      assert.equal(
        ended.stdout,
        'Clone feature/a is stopped; its data stays. Start it: thin-clones clone start feature/a\n',
      );
      const { stdout } = await type(['clone', 'stop', 'feature/a', '--json'], { engine });
      assert.equal((JSON.parse(stdout) as { stoppedBy: string }).stoppedBy, 'anna');
    });
    it('is told with who did it', async () => {
      engine.script.cloneShow = stopped;
      const { stdout } = await type(['clone', 'show', 'feature/a'], { engine });
      assert.match(stdout, /^state: +stopped by anna$/m);
    });
  });

  describe('clone rename', () => {
    it('sends the new name, and answers the clone under it', async () => {
      engine.script.cloneRename = () => {
        engine.overview.clones = [fakeClone({ name: 'feature/b' })];
        return succeeded();
      };
      const ended = await type(['clone', 'rename', 'feature/a', 'feature/b'], { engine });
      assert.equal(ended.stdout, 'Clone feature/a is called feature/b now.\n');
      assert.deepEqual(bodyOf('cloneRename'), { name: 'feature/b' });
      const again = await type(['clone', 'rename', 'feature/b', 'feature/b', '--json'], { engine });
      assert.deepEqual(JSON.parse(again.stdout), fakeClone({ name: 'feature/b' }));
    });
    it('ends with 3 when another clone has the name', async () => {
      engine.script.cloneRename = () => {
        throw fail('name_taken', { kind: 'clone', name: 'feature/b' });
      };
      const ended = await type(['clone', 'rename', 'feature/a', 'feature/b', '--json'], { engine });
      assert.deepEqual([ended.code, errorOf(ended).code], [exitCodes.refused, 'name_taken']);
    });
  });

  describe('snapshot rename and edit', () => {
    for (const [argv, body, told] of [
      [['rename', 'nightly', 'before'], { name: 'before' }, 'Snapshot nightly is called before now.\n'],
      [['edit', 'nightly', '-m', 'imported'], { message: 'imported' }, 'Snapshot before is edited.\n'],
      [['edit', 'nightly', '--no-message'], { message: null }, 'Snapshot before is edited.\n'],
    ] as const) {
      it(`sends ${JSON.stringify(body)} for "${argv.join(' ')}"`, async () => {
        const before = fakeSnapshot({ name: 'nightly' });
        const after = fakeSnapshot({ name: 'before' });
        engine.overview.snapshots = ['name' in body ? before : after];
        engine.script.snapshotEdit = () => {
          engine.overview.snapshots = [after];
          return succeeded();
        };
        const ended = await type(['snapshot', ...argv], { engine });
        assert.equal(ended.stdout, told, ended.stderr);
        assert.deepEqual(bodyOf('snapshotEdit'), body);
        const json = await type(['snapshot', ...argv, '--json'], { engine });
        assert.deepEqual(JSON.parse(json.stdout), after);
      });
    }
    it('ends with 2 when nothing says what to write', async () => {
      assert.equal((await type(['snapshot', 'edit', 'nightly'], { engine })).code, exitCodes.usage);
    });
  });

  describe('clone protect', () => {
    for (const [words, minutes] of [
      [[], 'forever'],
      [['--for', '8h'], 480],
      [['--for', '7d'], 10_080],
      [['--off'], null],
    ] as const) {
      it(`sends ${String(minutes)} for "${words.join(' ')}"`, async () => {
        engine.script.cloneProtect = () => fakeClone();
        const ended = await type(['clone', 'protect', 'feature/a', ...words], { engine });
        assert.equal(ended.code, 0);
        assert.deepEqual(bodyOf('cloneProtect'), { minutes });
      });
    }
  });

  describe('env refresh', () => {
    const refreshed = () => ({
      job: fakeJob({
        type: 'environment.refresh',
        state: 'succeeded',
        endedAt: at,
        object: { kind: 'snapshot', id: ids.snapshot, name: 'nightly' },
      }),
    });
    const withReference = (password: object) =>
      fakeEnvironment({
        definition: {
          host: 'local',
          members: {
            orders: {
              engine: 'postgres',
              retrieval: 'logical',
              url: 'postgresql://reader@db/shop',
              password,
            },
          },
          clones: {},
        },
      });
    it('prints the snapshot that was made', async () => {
      engine.script.environmentRefresh = refreshed;
      const ended = await type(['env', 'refresh', 'shop', '--name', 'monday', '--json'], { engine });
      assert.deepEqual(JSON.parse(ended.stdout), fakeSnapshot());
      assert.deepEqual(bodyOf('environmentRefresh'), { name: 'monday', passwords: {} });
    });
    it('waits for its turn with --queue', async () => {
      engine.script.environmentRefresh = refreshed;
      await type(['env', 'refresh', 'shop', '--queue'], { engine });
      assert.deepEqual(bodyOf('environmentRefresh'), { waits: true, passwords: {} });
    });
    it('sends the password that the environment of the command has', async () => {
      engine.overview.environments = [withReference({ env: 'SHOP_PASSWORD' })];
      engine.script.environmentRefresh = refreshed;
      await type(['snapshot', 'create', 'shop'], { engine, variables: { SHOP_PASSWORD: 'one' } });
      assert.deepEqual(bodyOf('environmentRefresh'), { passwords: { orders: 'one' } });
    });
    for (const [what, first] of [
      ['its own', 'queued'],
      ['one that another request began', 'running'],
    ] as const) {
      it(`follows the job, ${what}, from the answer on, and tells every line`, async () => {
        engine.script.environmentRefresh = () => ({ job: fakeJob() });
        if (first === 'running') engine.lines.push(fakeLine(1, 'began before'));
        const running = start(['env', 'refresh', 'shop'], { engine });
        await engine.listened();
        engine.emit({ kind: 'job', entity: fakeJob({ state: first }) });
        engine.emit({ kind: 'job', entity: fakeJob({ state: 'succeeded', endedAt: at }) });
        const ended = await running.ended;
        assert.equal(ended.code, 0, ended.stderr);
        assert.equal(ended.stderr.includes('began before'), first === 'running');
        const asked = called();
        const lines = first === 'running' ? ['jobLines'] : [];
        assert.deepEqual(asked, ['environmentShow', 'environmentRefresh', ...lines, 'snapshotList']);
      });
    }
    it('says which variable is missing before anything is started', async () => {
      engine.overview.environments = [withReference({ env: 'SHOP_PASSWORD' })];
      const ended = await type(['env', 'refresh', 'shop', '--json'], { engine });
      assert.equal(ended.code, exitCodes.failed);
      assert.equal(errorOf(ended).code, 'source_password_missing');
      assert.match(errorOf(ended).message, /the environment variable SHOP_PASSWORD/);
      assert.ok(!called().includes('environmentRefresh'));
    });
    it('asks for a password that is missing, without echo, and has the engine remember it', async () => {
      let tries = 0;
      engine.script.environmentApply = () => ({ environment: fakeEnvironment(), outcome: 'unchanged' });
      engine.script.environmentRefresh = () => {
        if (++tries === 2) return refreshed();
        const error = fail('source_password_missing', { member: 'orders', reference: null }).document;
        return { job: fakeJob({ state: 'failed', endedAt: at, error }) };
      };
      const ended = await type(['env', 'refresh', 'shop'], { engine, terminal: true, answers: ['s3cret'] });
      assert.equal(ended.code, 0, ended.stderr);
      assert.ok(!ended.stderr.includes('s3cret'));
      assert.equal(bodyOf('environmentApply')?.remember, true);
      assert.deepEqual(engine.calls.filter(({ route }) => route === 'environmentRefresh')[1]?.body, {
        passwords: { orders: 's3cret' },
      });
    });
  });
});
