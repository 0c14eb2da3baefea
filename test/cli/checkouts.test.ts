import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Checkout, Clone, ErrorDocument } from '../../engine/protocol/entities.ts';
import { repository as project, type TestEngine } from '../support/engine.ts';
import { queryAt } from '../support/session.ts';
import { makeUsableEngine, parsed, startCommand, thinClones, type Finished } from './realCommand.ts';

const variables = { THIN_CLONES_STORAGE_DRIVER: 'copy' };
/** Nothing of the person who runs the tests, and no hooks of theirs. */
const gitEnvironment = {
  PATH: process.env.PATH,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Anna',
  GIT_AUTHOR_EMAIL: 'anna@example.org',
  GIT_COMMITTER_NAME: 'Anna',
  GIT_COMMITTER_EMAIL: 'anna@example.org',
};
interface Failure {
  error: ErrorDocument;
}

/** A program as an agent's test suite is one: works on the database that the variable names, and says what it found. */
const programText = `
const { createRequire } = require('node:module');
const { Client } = createRequire(${JSON.stringify(join(project, 'package.json'))})('pg');
(async () => {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  for (const sql of process.argv.slice(2)) {
    const { rows } = await client.query(sql);
    console.log(JSON.stringify(rows));
  }
  await client.end();
})();
`;

describe('checkouts on the command line', function () {
  this.timeout(120_000);
  let engine: TestEngine;
  let folder: string;
  let repository: string;
  let program: string;

  const git = (cwd: string, ...args: string[]): string =>
    execFileSync('git', args, { cwd, env: gitEnvironment, encoding: 'utf8' }).trim();
  const run = async (cwd: string, ...argv: string[]): Promise<Finished> =>
    startCommand(engine, argv, { cwd }).finished;
  const done = async (cwd: string, ...argv: string[]): Promise<Finished> => {
    const ended = await run(cwd, ...argv);
    assert.equal(ended.code, 0, `${argv.join(' ')}: ${ended.stdout}${ended.stderr}`);
    return ended;
  };
  const refused = async (cwd: string, ...argv: string[]) => {
    const ended = await run(cwd, ...argv);
    return { exit: ended.code, code: parsed<Failure>(ended).error.code };
  };
  const use = async (cwd: string, ...argv: string[]): Promise<Checkout> =>
    parsed<Checkout>(await done(cwd, 'use', '--json', ...argv));
  const urlOf = async (cwd: string): Promise<string> =>
    parsed<{ DATABASE_URL: string }>(await done(cwd, 'env', 'vars', '--json')).DATABASE_URL;
  /** What a program sees that is run by \`exec\`. */
  const exec = async (cwd: string, ...sql: string[]): Promise<unknown[]> => {
    const { stdout } = await done(cwd, 'exec', '--', process.execPath, program, ...sql);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  };
  const clones = async (): Promise<Clone[]> =>
    parsed<{ items: Clone[] }>(await thinClones(engine, 'clone', 'list', '--json')).items;
  const clonesOf = async (branch: string): Promise<Clone[]> =>
    (await clones()).filter(
      (clone) => clone.branch === branch && clone.repository === join(repository, '.git'),
    );
  const mark = (what: string) => `INSERT INTO orders (id, item) VALUES (9999, '${what}')`;
  const marks = 'SELECT item FROM orders WHERE id = 9999';

  before(async function () {
    engine = await makeUsableEngine(this, variables);
    folder = await realpath(await mkdtemp(join(tmpdir(), 'tc-checkouts-')));
    await chmod(folder, 0o755);
    program = join(folder, 'program.cjs');
    await writeFile(program, programText);
    await writeFile(
      join(folder, 'shop.sql'),
      `CREATE TABLE orders (id int PRIMARY KEY, item text NOT NULL);
       INSERT INTO orders SELECT i, 'item ' || i FROM generate_series(1, 100) i;`,
    );
    await writeFile(
      join(folder, 'environments.yaml'),
      `version: 1
environments:
  shop:
    members:
      orders: { engine: postgres, retrieval: dump, dump: shop.sql, database: shop }
    clones: { durable: false }
`,
    );
    await done(folder, 'env', 'apply', '-f', 'environments.yaml');
    await done(folder, 'env', 'refresh', 'shop');

    repository = join(folder, 'repository');
    await mkdir(repository);
    git(repository, 'init', '--quiet', '--initial-branch=main');
    await writeFile(
      join(repository, 'thin-clones.yaml'),
      'version: 1\nworkspace: { environment: shop, variables: { DATABASE_URL: "{orders.url}", PGPASSWORD: "{orders.password}" } }\n',
    );
    await writeFile(join(repository, '.gitignore'), '.env\n');
    git(repository, 'add', '.');
    git(repository, 'commit', '--quiet', '-m', 'begin');
  });
  after(async () => {
    await engine.dispose();
    assert.deepEqual(engine.processes(), []);
    await rm(folder, { recursive: true, force: true });
  });

  it('are not those of a folder without a repository', async () => {
    assert.deepEqual(await refused(folder, 'use', '--json'), { exit: 1, code: 'not_a_checkout' });
    const ended = await run(folder, 'exec', '--', 'sh', '-c', 'echo ran');
    assert.deepEqual([ended.code, ended.stdout], [1, '']);
    assert.match(ended.stderr, /is not in a working tree of a Git repository/);
  });

  describe('with two branches', () => {
    let url: string;
    it('reads the data of each through the same port', async () => {
      const main = await use(repository);
      assert.deepEqual([main.state, main.key, main.path], ['ready', 'main', repository]);
      url = await urlOf(repository);
      await queryAt(url, mark('main'));
      git(repository, 'switch', '--quiet', '-c', 'feature/x');
      const feature = await use(join(repository));
      assert.deepEqual([feature.state, feature.key], ['ready', 'feature/x']);
      assert.notEqual(feature.clone, main.clone);
      assert.deepEqual(feature.endpoints, main.endpoints);
      assert.equal(await urlOf(repository), url);
      assert.deepEqual(await queryAt(url, marks), []);
      await queryAt(url, mark('feature'));
      git(repository, 'switch', '--quiet', 'main');
      assert.equal((await use(repository)).clone, main.clone);
      assert.deepEqual(await queryAt(url, marks), [{ item: 'main' }]);
      assert.equal((await clones()).length, 2);
    });
    it('has one clone, made for the first who asks, after the branch was changed in a terminal', async () => {
      git(repository, 'switch', '--quiet', 'feature/x');
      assert.deepEqual(await exec(repository, marks), [[{ item: 'feature' }]]);
      assert.equal((await clonesOf('feature/x')).length, 1);
    });
    it('gives its variables to a real shell', async () => {
      const command = `${process.execPath} ${join(project, 'engine/cli/main.ts')}`;
      const { stdout } = await promisify(execFile)(
        'sh',
        [
          '-c',
          `eval "$(${command} env vars --format shell)" && exec ${process.execPath} ${program} "$1"`,
          'sh',
          marks,
        ],
        {
          cwd: repository,
          env: {
            ...process.env,
            NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
            ...engine.variables,
          },
        },
      );
      assert.deepEqual(JSON.parse(stdout), [{ item: 'feature' }]);
    });
    it('keeps them in a file that Git ignores, and takes them out again', async () => {
      await writeFile(join(repository, '.env'), 'MINE=1');
      await done(repository, 'env', 'vars', '--write', '.env');
      const { stdout } = await promisify(execFile)(
        'sh',
        ['-c', 'set -a && . ./.env && printf "%s %s" "$MINE" "$DATABASE_URL"'],
        { cwd: repository },
      );
      assert.equal(stdout, `1 ${url}`);
      await done(repository, 'env', 'vars', '--remove');
      assert.equal(await readFile(join(repository, '.env'), 'utf8'), 'MINE=1');
      assert.deepEqual(await refused(repository, 'env', 'vars', '--write', '.gitignore', '--json'), {
        exit: 3,
        code: 'env_file_tracked',
      });
    });
    it('refuses a file that is a symbolic link, and leaves what it leads to', async () => {
      await writeFile(join(folder, 'theirs.env'), 'THEIRS=1');
      await symlink(join(folder, 'theirs.env'), join(repository, 'link.env'));
      assert.deepEqual(await refused(repository, 'env', 'vars', '--write', 'link.env', '--json'), {
        exit: 3,
        code: 'env_file_failed',
      });
      assert.equal(await readFile(join(folder, 'theirs.env'), 'utf8'), 'THEIRS=1');
      await rm(join(repository, 'link.env'));
    });
    it('compares its migrations, and ends with 1 until they are applied', async () => {
      const tree = join(folder, 'migrations');
      git(repository, 'worktree', 'add', '--quiet', tree, '-b', 'migrations');
      await mkdir(join(tree, 'migrations'));
      await writeFile(join(tree, 'migrations', '001_a.sql'), 'CREATE TABLE a (id int);');
      await writeFile(
        join(tree, 'thin-clones.yaml'),
        'version: 1\nworkspace: { migrations: { tool: sql, directory: migrations, table: applied, column: name } }\n',
      );
      await exec(tree, 'CREATE TABLE applied (name text)');
      const behind = await run(tree, 'migrations', '--check');
      assert.equal(behind.code, 1);
      assert.match(behind.stdout, /^pending {2}migrations\/001_a\.sql$/m);
      await exec(tree, "INSERT INTO applied VALUES ('001_a.sql')");
      await done(tree, 'migrations', '--check');
    });
    it('lends another clone to a branch, and gives the own one back', async () => {
      const [main] = await clonesOf('main');
      assert.ok(main);
      const lent = await use(repository, main.name);
      assert.equal(lent.clone, main.id);
      assert.deepEqual(await exec(repository, marks), [[{ item: 'main' }]]);
      assert.equal((await use(repository)).key, 'feature/x');
      assert.deepEqual(await exec(repository, marks), [[{ item: 'feature' }]]);
    });
  });

  describe('that agents work in', () => {
    it('is ready for the first command of a new worktree, for two agents at once', async () => {
      const tree = join(folder, 'agents');
      git(repository, 'worktree', 'add', '--quiet', tree, '-b', 'agents/one');
      const both = await Promise.all(
        ['a', 'b'].map((name, index) =>
          exec(tree, `INSERT INTO orders (id, item) VALUES (${5000 + index}, '${name}') RETURNING item`),
        ),
      );
      assert.deepEqual(both, [[[{ item: 'a' }]], [[{ item: 'b' }]]]);
      assert.deepEqual(await exec(tree, 'SELECT item FROM orders WHERE id >= 5000 ORDER BY id'), [
        [{ item: 'a' }, { item: 'b' }],
      ]);
      assert.equal((await clonesOf('agents/one')).length, 1);
    });
    it('has ports of its own, beside those of the repository and of other worktrees', async () => {
      const tree = join(folder, 'second');
      git(repository, 'worktree', 'add', '--quiet', tree, '-b', 'agents/two');
      const [two, one] = await Promise.all([
        exec(tree, mark('two'), marks),
        exec(join(folder, 'agents'), mark('one'), marks),
      ]);
      assert.deepEqual([two[1], one[1]], [[{ item: 'two' }], [{ item: 'one' }]]);
      const { items } = parsed<{ items: Checkout[] }>(await done(folder, 'checkout', 'list', '--json'));
      const ports = items.flatMap(({ endpoints }) => endpoints.map(({ port }) => port));
      assert.equal(ports.length, items.length);
      assert.equal(new Set(ports).size, ports.length);
    });
    it('runs without waiting for the clone, whose connections then wait', async () => {
      git(join(folder, 'second'), 'switch', '--quiet', '-c', 'agents/three');
      const ended = await done(
        join(folder, 'second'),
        ...['exec', '--no-wait', '--', process.execPath, program, 'SELECT count(*)::int AS n FROM orders'],
      );
      assert.deepEqual(JSON.parse(ended.stdout), [{ n: 100 }]);
    });
    it('proposes its clone when the worktree is gone, and destroys it then', async () => {
      git(repository, 'worktree', 'remove', '--force', join(folder, 'agents'));
      git(repository, 'branch', '--quiet', '-D', 'agents/one');
      // Proposals are for those who made the clones.
      const { items } = parsed<{ items: { branch: string; name: string }[] }>(
        await done(repository, 'clean', '--dry-run', '--json'),
      );
      const proposal = items.find(({ branch }) => branch === 'agents/one');
      assert.ok(proposal, JSON.stringify(items));
      await done(repository, 'clean', proposal.name, '--yes');
      assert.deepEqual(await clonesOf('agents/one'), []);
    });
  });

  describe('run programs', () => {
    for (const [what, argv, code] of [
      ['that end well', ['true'], 0],
      ['that fail', ['sh', '-c', 'exit 7'], 7],
      ['that a signal ends', ['sh', '-c', 'kill -TERM $$'], 143],
      ['that are not there', ['no-such-program'], 127],
      ['that are none', ['./thin-clones.yaml'], 126],
    ] as const) {
      it(`${what} and end with ${code}`, async () => {
        const ended = await run(repository, 'exec', '--', ...argv);
        assert.deepEqual([ended.code, ended.stdout], [code, '']);
        assert.equal(ended.stderr === '', code < 126 || code === 143, ended.stderr);
      });
    }
    it('keep their output to themselves, and say nothing on it', async () => {
      const ended = await run(repository, 'exec', '--', 'sh', '-c', 'printf out; printf err >&2');
      assert.deepEqual(ended, { code: 0, stdout: 'out', stderr: 'err' });
    });
    it('find client programs that fit the clone: those that come along where the machine has none, or older ones', async () => {
      const bin = join(folder, 'bin');
      await mkdir(bin);
      await symlink('/bin/sh', join(bin, 'sh'));
      const found = async (): Promise<string> => {
        const argv = ['exec', '--', 'sh', '-c', 'pg_dump --version; psql --version'];
        const running = startCommand(engine, argv, { cwd: repository, variables: { PATH: bin } });
        const { code, stdout, stderr } = await running.finished;
        assert.equal(code, 0, stderr);
        return stdout.trim();
      };
      const place = (version: string): Promise<void> =>
        writeFile(join(bin, 'pg_dump'), `#!/bin/sh\necho "pg_dump (PostgreSQL) ${version}"\n`, {
          mode: 0o755,
        });
      const ours = await found();
      const [clone] = await clonesOf('main');
      const server = Number.parseInt(clone?.members[0]?.version ?? '', 10);
      const majors = /^pg_dump \(PostgreSQL\) (\d+).*\npsql \(PostgreSQL\) (\d+)/.exec(ours)?.slice(1);
      assert.equal(majors?.length, 2, ours);
      for (const major of majors) assert.ok(Number(major) >= server, ours);
      await place(`${server - 1}.4`);
      assert.equal(await found(), ours);
      await place(`${server}.4 (its own)`);
      assert.match(await found(), /^pg_dump \(PostgreSQL\) .* \(its own\)\n/);
    });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      it(`pass ${signal} on and wait for the program's own end`, async () => {
        const script = `trap 'echo got it; exit 9' ${signal.slice(3)}; echo ready >&2; while :; do sleep 0.05; done`;
        const running = startCommand(engine, ['exec', '--', 'sh', '-c', script], { cwd: repository });
        await running.says('ready');
        running.signal(signal);
        const ended = await running.finished;
        assert.deepEqual([ended.code, ended.stdout], [9, 'got it\n']);
      });
    }
  });

  describe('on branches that are hard to name', () => {
    for (const [what, branch] of [
      ['a dash first', '-x'],
      ['Unicode', 'größe/数据-😀'],
      ['250 characters', `long/${'x'.repeat(245)}`],
      ['shell characters', `a';$(touch>pwned)&"b`],
    ] as const) {
      it(`works with ${what}`, async () => {
        git(repository, 'update-ref', `refs/heads/${branch}`, 'HEAD');
        git(repository, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`);
        const used = await use(repository);
        assert.deepEqual([used.state, used.key], ['ready', branch]);
        await exec(repository, mark('hard'));
        assert.deepEqual(await exec(repository, marks), [[{ item: 'hard' }]]);
        const [clone, ...more] = await clonesOf(branch);
        assert.ok(clone);
        assert.deepEqual(more, []);
        const { stdout } = await done(repository, 'checkout', 'show');
        assert.ok(stdout.includes(branch));
        git(repository, 'symbolic-ref', 'HEAD', 'refs/heads/main');
        await done(folder, 'clone', 'destroy', clone.id, '--yes');
      });
    }
    it('keeps two apart that differ in one sign', async () => {
      git(repository, 'symbolic-ref', 'HEAD', 'refs/heads/main');
      git(repository, 'switch', '--quiet', '-c', 'pair/a');
      const slash = await use(repository);
      git(repository, 'switch', '--quiet', '-c', 'pair-a');
      assert.notEqual((await use(repository)).clone, slash.clone);
    });
  });

  describe('without a branch', () => {
    it('works before the first commit', async () => {
      const empty = join(folder, 'empty');
      await mkdir(empty);
      git(empty, 'init', '--quiet', '--initial-branch=main');
      assert.deepEqual(await exec(empty, 'SELECT count(*)::int AS n FROM orders'), [[{ n: 100 }]]);
    });
    it('has no clone with a detached HEAD, unless one is named', async () => {
      git(repository, 'switch', '--quiet', '--detach', 'main');
      assert.deepEqual(await refused(repository, 'use', '--json'), { exit: 3, code: 'no_branch' });
      const before = (await clones()).length;
      const ended = await run(repository, 'exec', '--', 'echo', 'ran');
      assert.deepEqual([ended.code, ended.stdout], [3, '']);
      assert.match(ended.stderr, /HEAD is detached/);
      assert.equal((await clones()).length, before);
      const [main] = await clonesOf('main');
      assert.ok(main);
      await use(repository, main.name);
      assert.deepEqual(await exec(repository, marks), [[{ item: 'main' }]]);
      git(repository, 'switch', '--quiet', 'feature/x');
      assert.deepEqual(await exec(repository, marks), [[{ item: 'feature' }]]);
    });
  });

  describe('while the engine goes away', () => {
    it('has the same ports and data after it was killed', async () => {
      git(repository, 'switch', '--quiet', 'main');
      await use(repository);
      const url = await urlOf(repository);
      await engine.kill();
      assert.deepEqual(await exec(repository, marks), [[{ item: 'main' }]]);
      assert.equal(await urlOf(repository), url);
    });
    it('finds the branch that was checked out meanwhile', async () => {
      await engine.stop();
      git(repository, 'switch', '--quiet', 'feature/x');
      assert.deepEqual(await exec(repository, marks), [[{ item: 'feature' }]]);
    });
    it('tells that another program took the port meanwhile, and takes another on request', async () => {
      const before = await use(repository);
      await engine.stop();
      const other = createServer().listen(before.endpoints[0]?.port, '127.0.0.1');
      await once(other, 'listening');
      try {
        const { stdout } = await done(repository, 'use');
        assert.match(stdout, /which another program took: thin-clones checkout ports/);
        await done(repository, 'checkout', 'ports');
        const after = await use(repository);
        assert.equal(after.endpoints[0]?.state, 'listening');
        assert.notEqual(after.endpoints[0].port, before.endpoints[0]?.port);
        assert.deepEqual(await exec(repository, marks), [[{ item: 'feature' }]]);
      } finally {
        other.close();
        await once(other, 'close');
      }
    });
    it('starts one for two agents in two new worktrees, who know nothing of each other', async () => {
      await engine.stop();
      const trees = ['third', 'fourth'].map((name) => {
        git(repository, 'worktree', 'add', '--quiet', join(folder, name), '-b', `agents/${name}`);
        return join(folder, name);
      });
      const seen = await Promise.all(trees.map((tree) => exec(tree, mark(tree), marks)));
      assert.deepEqual(
        seen.map(([, rows]) => rows),
        trees.map((item) => [{ item }]),
      );
    });
    it('makes the clone all the same when it is killed over it', async () => {
      git(repository, 'switch', '--quiet', '-c', 'killed');
      const running = startCommand(engine, ['exec', '--', process.execPath, program, marks], {
        cwd: repository,
      });
      const client = await engine.client();
      for (;;) {
        const { items } = await client.call('cloneList', {});
        if (items.some(({ branch }) => branch === 'killed')) break;
      }
      await engine.kill();
      const ended = await running.finished;
      assert.deepEqual([ended.code, ended.stdout], [0, '[]\n'], ended.stderr);
      assert.equal((await clonesOf('killed')).length, 1);
    });
  });

  describe('that are no longer wanted', () => {
    it('are forgotten on request, with their clones kept', async () => {
      const before = (await clones()).length;
      await done(repository, 'use', '--forget');
      assert.deepEqual(await refused(repository, 'checkout', 'show', '--json'), {
        exit: 3,
        code: 'not_followed',
      });
      assert.equal((await clones()).length, before);
    });
  });
});
