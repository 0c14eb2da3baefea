/** The database follows the branch: real Git, a real engine and a real PostgreSQL in the real workbench. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SOURCE_PASSWORD } from '../../support/postgresSource.ts';
import { queryAt } from '../../support/session.ts';
import type { Scratch } from '../../support/vscode/scratch.ts';
import { themes } from '../../support/vscode/server.ts';
import { until } from '../../support/vscode/until.ts';
import { openWorkbench, type Workbench } from '../../support/vscode/workbench.ts';
import { useShopSource } from './shopSource.ts';
import { useWorkbench } from './useWorkbench.ts';

const run = promisify(execFile);
const checkout = join(import.meta.dirname, '..', '..', '..');
const minutes = 60_000;

const configFile = (url: string): string => `version: 1
environments:
  shop:
    members:
      orders:
        engine: postgres
        retrieval: logical
        url: ${url}
        password: { env: SHOP_DB_PASSWORD }
workspace:
  environment: shop
  variables: { DATABASE_URL: "{orders.url}", ORDERS_PORT: "{orders.port}" }
  migrations: { tool: sql, directory: db/migrations, table: schema_migrations, column: name }
`;
const tasks = {
  version: '2.0.0',
  tasks: [{ label: 'tell', type: 'shell', command: 'echo "task [$ORDERS_PORT]"', problemMatcher: [] }],
};

describe('the database follows the branch', () => {
  const source = useShopSource(
    1000,
    'create table schema_migrations (name text primary key)',
    "insert into schema_migrations values ('001_orders.sql')",
  );
  const ui = useWorkbench({
    settings: { 'workbench.colorTheme': themes.dark },
    prepare: (scratch) => prepare(scratch),
  });

  const git = (...args: readonly string[]): Promise<void> => ui().scratch.git(...args);
  async function prepare(scratch: Scratch): Promise<void> {
    const { workspace, home } = scratch;
    await mkdir(join(workspace, 'db', 'migrations'), { recursive: true });
    await mkdir(join(workspace, '.vscode'));
    await writeFile(join(workspace, 'thin-clones.yaml'), configFile(source().url('shop')));
    await writeFile(join(workspace, '.vscode', 'tasks.json'), JSON.stringify(tasks));
    await writeFile(join(workspace, 'db', 'migrations', '001_orders.sql'), 'create table orders ();\n');
    await scratch.git('add', '.');
    await scratch.git('commit', '-q', '-m', 'Declare the database');
    await scratch.git('branch', '-f', 'feature/a');
    const program = async (...args: readonly string[]): Promise<void> => {
      await run(process.execPath, [join(checkout, 'dist', 'thin-clones.mjs'), ...args], {
        cwd: workspace,
        env: { ...process.env, THIN_CLONES_HOME: home, SHOP_DB_PASSWORD: SOURCE_PASSWORD },
      });
    };
    await program('env', 'apply', '-f', 'thin-clones.yaml');
    await program('env', 'refresh', 'shop');
    // The window starts it again: this folder's file says that it is followed.
    await program('engine', 'stop');
  }

  let url = '';
  const query = (sql: string, at = url): Promise<unknown[]> => queryAt(at, sql);
  const mark = (text: string) =>
    query(`insert into orders values (${Date.now() % 1_000_000_000}, '${text}')`);
  const marks = async (): Promise<string[]> =>
    (
      (await query("select note from orders where note not like 'order %' order by 1")) as { note: string }[]
    ).map(({ note }) => note);
  /** Its state is in what a screen reader says; a switch takes a moment, and a new clone a little longer. */
  const statusIs = (state: RegExp, workbench: Workbench = ui().workbench): Promise<string> => {
    const item = workbench.page.locator('.part.statusbar [id="thin-clones.thin-clones.thinClones.status"]');
    const read = async (): Promise<string> => (await item.first().getAttribute('aria-label')) ?? '';
    return until(
      `the status bar to say ${String(state)}`,
      async () => {
        const label = await read();
        return state.test(label) ? label : undefined;
      },
      { timeoutMs: minutes, seen: read },
    );
  };

  it('asks for the branch that is checked out, without the view, and makes its database', async function () {
    this.timeout(3 * minutes);
    const { workbench } = ui();
    const question = await workbench.notification('Branch main has no database of its own yet.');
    await question.press('Create');
    await statusIs(/branch main, ready/);
    await workbench.palette('Thin Clones: Copy Stable Connection URL');
    await workbench.statusBarSays('Stable URL copied');
    url = await workbench.clipboardText();
    assert.deepEqual(await query('select count(*)::int from orders'), [{ count: 1000 }]);
    await mark('of main');
  });

  it('asks for another branch that a process checks out, and remembers the answer for all', async function () {
    this.timeout(3 * minutes);
    const { workbench } = ui();
    await git('checkout', '-q', 'feature/a');
    const question = await workbench.notification('Branch feature/a has no database of its own yet.');
    await question.press('Remember…');
    await workbench.quickPick(/Always in this workspace/);
    await statusIs(/branch feature\/a, ready/);
    assert.deepEqual(await marks(), []);
    await mark('of feature/a');
    await workbench.openView('Thin Clones');
    const row = await workbench.waitForRow('feature/a');
    assert.match(row.description, /^current · ready/);
    await workbench.screenshot('branches-real-tree');
  });

  it('follows a checkout in the terminal, through the same URL', async function () {
    this.timeout(2 * minutes);
    const { workbench, install } = ui();
    if (install.limits.some((limit) => limit.includes('terminal'))) this.skip();
    await workbench.palette('Terminal: Create New Terminal');
    await workbench.terminalText(/[$#]/);
    await workbench.typeInTerminal('git checkout -q main\n');
    await statusIs(/branch main, ready/);
    assert.deepEqual(await marks(), ['of main']);
    await workbench.typeInTerminal('git checkout -q feature/a\n');
    await statusIs(/branch feature\/a, ready/);
    assert.deepEqual(await marks(), ['of feature/a']);
    await workbench.screenshot('branches-real-terminal');
  });

  it('has given that terminal, and a task, the variables', async function () {
    this.timeout(2 * minutes);
    const { workbench, install } = ui();
    if (install.limits.some((limit) => limit.includes('terminal'))) this.skip();
    const { port } = new URL(url);
    await workbench.typeInTerminal('clear; echo "terminal [$ORDERS_PORT]"\n');
    await workbench.terminalText(new RegExp(`terminal \\[${port}\\]`));
    await workbench.palette('Tasks: Run Task');
    await workbench.quickPick('tell');
    await workbench.terminalText(new RegExp(`task \\[${port}\\]`));
    await workbench.palette('Terminal: Kill All Terminals');
  });

  it('makes a database for a new branch without a question, as was remembered', async function () {
    this.timeout(2 * minutes);
    const { workbench } = ui();
    await git('checkout', '-q', '-b', 'feature/b');
    await statusIs(/branch feature\/b, ready/);
    assert.deepEqual(await marks(), []);
    assert.deepEqual(await workbench.notifications(), []);
  });

  it('opens psql on the branch by its stable port', async function () {
    this.timeout(2 * minutes);
    const { workbench, install } = ui();
    if (install.limits.some((limit) => limit.includes('terminal'))) this.skip();
    await workbench.palette('Thin Clones: Open psql on Current Branch');
    await workbench.terminalText(/shop[=#>-]+/);
    await workbench.typeInTerminal("select 'through ' || inet_server_port() is not null;\n");
    await workbench.terminalText(/\bt\b/);
    await workbench.typeInTerminal('\\q\n');
    await workbench.page.locator('.terminal-wrapper').waitFor({ state: 'detached' });
  });

  it('says which migrations the branch has and its database has not', async function () {
    this.timeout(2 * minutes);
    const { workbench, scratch } = ui();
    await writeFile(
      join(scratch.workspace, 'db', 'migrations', '002_notes.sql'),
      'alter table orders add column more text;\n',
    );
    await statusIs(/migrations: 1 pending/);
    await query("insert into schema_migrations values ('002_notes.sql')");
    await workbench.palette('Thin Clones: Show Migrations');
    await workbench.quickPick(/in step/);
    const label = await statusIs(/ready$/);
    assert.doesNotMatch(label, /migrations/);
  });

  it('leads nowhere on a detached HEAD, and says so to who connects', async function () {
    this.timeout(2 * minutes);
    await git('checkout', '-q', '--detach');
    await statusIs(/no database/);
    await assert.rejects(query('select 1'), (error: Error) => {
      assert.doesNotMatch(error.message, /ECONNREFUSED|timeout/i);
      return true;
    });
    await git('checkout', '-q', 'main');
    await statusIs(/branch main, ready/);
    assert.deepEqual(await marks(), ['of main']);
  });

  it('unbinds a clone and binds it again, from the tree', async function () {
    this.timeout(2 * minutes);
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.contextMenu('main', 'Unbind from Current Branch');
    await statusIs(/branch main, no database/);
    await workbench.waitForRows('no row to be current', (rows) =>
      rows.every(({ description }) => !description.startsWith('current')),
    );
    await workbench.contextMenu('main', 'Use Clone for Current Branch…');
    await statusIs(/branch main, ready/);
    assert.deepEqual(await marks(), ['of main']);
  });

  it('keeps a block in a file right that Git ignores', async function () {
    this.timeout(2 * minutes);
    const { workbench, scratch } = ui();
    await writeFile(join(scratch.workspace, '.git', 'info', 'exclude'), '.env\n');
    await writeFile(join(scratch.workspace, '.env'), 'PORT=3000');
    await workbench.palette('Thin Clones: Write Variables to File…');
    await workbench.quickPick('.env', { title: 'Write Variables to File' });
    await workbench.statusBarSays('.env has the variables');
    const text = await readFile(join(scratch.workspace, '.env'), 'utf8');
    assert.match(text, /^PORT=3000\n/);
    assert.ok(text.includes(new URL(url).port), text);
  });

  it('comes back with its ports when the engine is killed', async function () {
    this.timeout(2 * minutes);
    const { scratch } = ui();
    const before = await engineOf(scratch.home);
    process.kill(before, 'SIGKILL');
    const counted = await until(
      'the stable port to answer again',
      async () => {
        try {
          return await marks();
        } catch (error) {
          if (error instanceof Error) return undefined;
          throw error;
        }
      },
      { timeoutMs: minutes },
    );
    assert.deepEqual(counted, ['of main']);
    assert.notEqual(await engineOf(scratch.home), before);
    await statusIs(/branch main, ready/);
    await git('checkout', '-q', 'feature/a');
    await statusIs(/branch feature\/a, ready/);
    assert.deepEqual(await marks(), ['of feature/a']);
  });

  it('is the same in a second window on the repository', async function () {
    this.timeout(3 * minutes);
    const { server, scratch, workbench } = ui();
    const second = await openWorkbench({
      server,
      folder: scratch.workspace,
      extensionDevelopmentPath: checkout,
    });
    try {
      await statusIs(/branch feature\/a, ready/, second);
      await git('checkout', '-q', 'main');
      await Promise.all([statusIs(/branch main, ready/, second), statusIs(/branch main, ready/)]);
      assert.deepEqual(await marks(), ['of main']);
      assert.deepEqual([...(await second.notifications()), ...(await workbench.notifications())], []);
    } finally {
      await second.close();
    }
  });

  it('is the same in a window on a folder below the top of the repository', async function () {
    this.timeout(3 * minutes);
    const { server, scratch } = ui();
    const second = await openWorkbench({
      server,
      folder: join(scratch.workspace, 'db'),
      extensionDevelopmentPath: checkout,
    });
    try {
      await second.openView('Thin Clones');
      await statusIs(/branch main, ready/, second);
      await second.palette('Thin Clones: Copy Stable Connection URL');
      await second.statusBarSays('Stable URL copied');
      assert.equal(await second.clipboardText(), url);
    } finally {
      await second.close();
    }
  });

  it('offers to clean up the clone of a branch that was deleted', async function () {
    this.timeout(2 * minutes);
    const { workbench } = ui();
    await git('branch', '-q', '-D', 'feature/b');
    await workbench.openView('Thin Clones');
    await workbench.waitForRow('feature/b');
    await workbench.palette('Thin Clones: Clean Up Clones of Finished Branches…');
    const { items } = await workbench.quickInput({ placeholder: 'Press Enter to destroy 1 clone' });
    assert.deepEqual(items, ['feature/b']);
    await workbench.page.keyboard.press('Enter');
    await workbench.waitForNoRow('feature/b');
  });

  it('gives a worktree its own database and its own port, in a window of its own', async function () {
    this.timeout(3 * minutes);
    const { server, scratch } = ui();
    const folder = join(scratch.workspace, '..', 'tree-of-w');
    await git('worktree', 'add', '-q', '-b', 'feature/w', folder);
    const second = await openWorkbench({ server, folder, extensionDevelopmentPath: checkout });
    try {
      // What was remembered belongs to the working tree where it was answered.
      const question = await second.notification('Branch feature/w has no database of its own yet.');
      await question.press('Create');
      await statusIs(/branch feature\/w, ready/, second);
      await second.palette('Thin Clones: Copy Stable Connection URL');
      await second.statusBarSays('Stable URL copied');
      const own = await second.clipboardText();
      assert.notEqual(new URL(own).port, new URL(url).port);
      await query("insert into orders values (0, 'of w')", own);
      assert.deepEqual(await marks(), ['of main']);
    } finally {
      await second.close();
    }
  });
});

async function engineOf(home: string): Promise<number> {
  const { pid } = JSON.parse(await readFile(join(home, 'engine', 'engine.json'), 'utf8')) as { pid: number };
  return pid;
}

describe('a repository that is not trusted', () => {
  const ui = useWorkbench({
    settings: { 'security.workspace.trust.enabled': true, 'security.workspace.trust.startupPrompt': 'never' },
    prepare: async ({ workspace }) => {
      await writeFile(
        join(workspace, 'thin-clones.yaml'),
        configFile('postgresql://reader@db.example.org/shop'),
      );
    },
  });

  it('is not followed: no engine, no variables, nothing is asked', async () => {
    const { workbench, scratch } = ui();
    await workbench.openView('Thin Clones');
    await run('git', ['-C', scratch.workspace, 'checkout', '-q', 'feature/a']);
    await workbench.palette('Thin Clones: Follow Branches…');
    await workbench.notification('This folder is not trusted');
    assert.deepEqual(await readdir(scratch.home), []);
  });
});
