/** What the window shows and asks of a branch's database, on an engine that does what the test says. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fail } from '../../../engine/protocol/errors.ts';
import { checkoutId, fakeCheckout, fakeProposal, fakeReport } from '../../support/fakeEngine/fakeCheckout.ts';
import {
  ago,
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { fakeClone, fakeConnection } from '../../unit/cli/fakeEngine.ts';
import { themes } from '../../support/vscode/server.ts';
import { until } from '../../support/vscode/until.ts';
import { useWorkbench } from './useWorkbench.ts';

const launch = {
  version: '0.2.0',
  configurations: [
    {
      type: 'node',
      request: 'launch',
      name: 'tell',
      program: '${workspaceFolder}/tell.cjs',
      env: { PGPORT: '1' },
    },
  ],
};
/** Renamed into place, so that nobody reads half of it. */
const tellEnvironment = `const { renameSync, writeFileSync } = require('node:fs');
const { PGPORT, DATABASE_URL } = process.env;
writeFileSync('told.part', JSON.stringify([PGPORT, DATABASE_URL]));
renameSync('told.part', 'told.json');
`;

const asking = (branch: string): object => ({
  state: 'asking',
  key: branch,
  head: { kind: 'branch', branch, commit: 'b'.repeat(40), operation: null },
  question: { branch, key: branch, from: 'latest' },
});

describe("the branch's database in the window", () => {
  let engine: ScriptedEngine;
  let workspace = '';
  const ui = useWorkbench({
    settings: { 'workbench.colorTheme': themes.dark },
    async prepare(scratch) {
      workspace = scratch.workspace;
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
      show({ state: 'ready', clone: bound().id, switchedAt: ago(5), switchMs: 183 });
      Object.assign(engine.fake.script, {
        checkoutOpen: () => show({}),
        checkoutConnection: () => ({ items: [fakeConnection('orders', 55_432)] }),
        checkoutMigrations: () => ({ items: [fakeReport()] }),
        checkoutUse: () => ({ checkout: show({}), job: null }),
        checkoutAnswer: () => show({ state: 'ready', clone: bound().id, question: null }),
        proposalList: () => ({ items: [] }),
      } satisfies typeof engine.fake.script);
      await mkdir(join(workspace, 'db', 'migrations'), { recursive: true });
      await mkdir(join(workspace, '.vscode'));
      await writeFile(join(workspace, '.vscode', 'launch.json'), JSON.stringify(launch));
      await writeFile(join(workspace, 'tell.cjs'), tellEnvironment);
      await writeFile(join(workspace, 'thin-clones.yaml'), 'version: 1\nworkspace:\n  environment: shop\n');
    },
  });
  after('stop the engine', () => engine.close());

  const bound = () => {
    const clone = engine.fake.overview.clones.find(({ name }) => name === 'feature/login');
    assert.ok(clone);
    return clone;
  };
  const show = (changes: object) => {
    const before = engine.fake.overview.checkouts[0] ?? fakeCheckout({ path: workspace });
    const entity = fakeCheckout({ ...before, ...changes });
    engine.put({ kind: 'checkout', entity });
    return entity;
  };

  it('is in the status bar without anybody opening the view, and says where it leads', async () => {
    const { workbench } = ui();
    const item = await workbench.statusBarItem('feature/a');
    await workbench.openView('Thin Clones');
    assert.match((await item.getAttribute('aria-label')) ?? '', /Database of branch feature\/a, ready/);
    const hover = workbench.page.locator('.monaco-hover', { hasText: 'the same on every branch' });
    await until('the hover', async () => {
      // Items of other extensions that come meanwhile move it away from under the mouse.
      await item.hover();
      return (await hover.count()) > 0 ? true : undefined;
    });
    assert.match(await hover.innerText(), /Switched: \d+ min ago, in 183 ms/);
    await workbench.screenshot('branch-hover');
    await workbench.page.mouse.move(640, 300);
    await hover.waitFor({ state: 'hidden' });
  });

  it('marks the clone that the window uses, under the name of its branch', async () => {
    const { workbench } = ui();
    engine.put({
      kind: 'clone',
      entity: fakeClone({ ...bound(), branch: 'feature/a', repository: join(workspace, '.git') }),
    });
    await workbench.openView('Thin Clones');
    const row = await workbench.waitForRow('feature/a');
    assert.match(row.description, /^current · ready/);
    assert.ok((await workbench.contextMenuItems('feature/a')).includes('Unbind from Current Branch'));
    assert.ok((await workbench.contextMenuItems('load-test')).includes('Use Clone for Current Branch…'));
    assert.match(await workbench.hoverRow('feature/a'), /feature\/login/);
    await workbench.screenshot('branch-tree');
  });

  it('asks once for a branch without a database, and makes one', async () => {
    const { workbench } = ui();
    show({ ...asking('feature/x'), clone: null });
    const question = await workbench.notification('Branch feature/x has no database of its own yet.');
    assert.match(question.text, /Make one from the latest snapshot\?/);
    assert.deepEqual(question.buttons, ['Create', 'Not Now', 'Remember…']);
    const item = await workbench.statusBarItem('feature/x: no database');
    await until('the warning', async () =>
      ((await item.getAttribute('class')) ?? '').includes('warning-kind') ? true : undefined,
    );
    await workbench.screenshot('branch-question');
    await question.press('Create');
    await until('the answer', () => engine.calls('checkoutAnswer')[0]);
    assert.deepEqual(engine.calls('checkoutAnswer')[0]?.body, {
      branch: 'feature/x',
      answer: 'create',
      remember: 'once',
    });
    assert.deepEqual(await workbench.notifications(), []);
  });

  it('remembers an answer for a pattern that can be changed', async () => {
    const { workbench } = ui();
    show({ ...asking('feature/y'), clone: null });
    const question = await workbench.notification('Branch feature/y has no database');
    await question.press('Remember…');
    await workbench.quickInput({ placeholder: 'What should be remembered?' });
    await workbench.screenshot('branch-remember');
    await workbench.quickPick(/For branches like feature\/\*\*…/);
    assert.match(
      await workbench.inputBoxRefusal('a b', { prompt: '** for anything' }),
      /a branch name, in which \* and \*\* may stand for a part/,
    );
    await workbench.inputBox('feature/y*');
    await until('the answer', () => engine.calls('checkoutAnswer')[1]);
    assert.deepEqual(engine.calls('checkoutAnswer')[1]?.body, {
      branch: 'feature/y',
      answer: 'create',
      remember: 'pattern',
      pattern: 'feature/y*',
    });
  });

  it('lets an answer for the workspace count more than the setting of before', async () => {
    const { workbench } = ui();
    await writeFile(
      join(workspace, '.vscode', 'settings.json'),
      JSON.stringify({ 'thinClones.branches.follow': 'ask' }),
    );
    await until('the setting to be passed on', () =>
      engine.calls('checkoutOpen').at(-1)?.body.follow === 'ask' ? true : undefined,
    );
    show({ ...asking('feature/v'), clone: null });
    const question = await workbench.notification('Branch feature/v has no database');
    await question.press('Remember…');
    await workbench.quickPick(/Always in this workspace/);
    await until('the setting to follow', () =>
      engine.calls('checkoutOpen').at(-1)?.body.follow === 'automatic' ? true : undefined,
    );
    assert.deepEqual(engine.calls('checkoutAnswer').at(-1)?.body, {
      branch: 'feature/v',
      answer: 'create',
      remember: 'workspace',
    });
  });

  it('takes no answer for a branch that was left meanwhile', async () => {
    const { workbench } = ui();
    show({ ...asking('feature/z'), clone: null });
    const question = await workbench.notification('Branch feature/z has no database');
    show({ state: 'ready', key: 'main', clone: bound().id, question: null });
    const { script } = engine.fake;
    const usual = script.checkoutAnswer;
    script.checkoutAnswer = () => {
      throw fail('question_changed', { path: workspace });
    };
    await question.press('Create');
    await workbench.statusBarSays('feature/z no longer waits for an answer');
    if (usual !== undefined) script.checkoutAnswer = usual;
    assert.deepEqual(await workbench.notifications(), []);
  });

  it('gives new terminals the variables, and the same ones after a switch', async function () {
    const { workbench, install } = ui();
    if (install.limits.some((limit) => limit.includes('terminal'))) this.skip();
    show({ state: 'ready', key: 'feature/a', head: fakeCheckout().head });
    await workbench.palette('Terminal: Create New Terminal');
    await workbench.terminalText(/[$#]/);
    await workbench.typeInTerminal('echo "[$PGPORT|$DATABASE_URL]"\n');
    const text = await workbench.terminalText(/\[55432\|/);
    assert.match(
      text.replaceAll('\n', ''),
      /\[55432\|postgresql:\/\/clone:p%20w'd@127\.0\.0\.1:55432\/shop\]/,
    );
    await workbench.palette('Terminal: Kill All Terminals');
  });

  it('gives new terminals the name of a database as it is, also one that VS Code would take for a variable', async function () {
    const { workbench, install } = ui();
    if (install.limits.some((limit) => limit.includes('terminal'))) this.skip();
    const database = '${env:HOME} ${workspaceFolder} ${x} $(id) {a}';
    engine.fake.script.checkoutConnection = () => ({
      items: [{ ...fakeConnection('orders', 55_432), database }],
    });
    show({ variables: { PGDATABASE: '{orders.database}', PGPORT: '{orders.port}' } });
    await until('the variables', () => engine.calls('checkoutConnection')[1]);
    await workbench.palette('Terminal: Create New Terminal');
    await workbench.terminalText(/[$#]/);
    await workbench.typeInTerminal('printf "[%s]\\n" "$PGDATABASE"\n');
    const text = await workbench.terminalText(/\n\[[^%]/);
    assert.ok(text.replaceAll('\n', '').includes(`[${database}]`), text);
    await workbench.palette('Terminal: Kill All Terminals');
    engine.fake.script.checkoutConnection = () => ({ items: [fakeConnection('orders', 55_432)] });
    show({ variables: fakeCheckout().variables });
  });

  it('gives a debug session the variables that its configuration does not set itself', async () => {
    const { workbench } = ui();
    await workbench.palette('Debug: Start Without Debugging');
    const told = await until('the program to tell its environment', async () => {
      try {
        return await readFile(join(workspace, 'told.json'), 'utf8');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }
    });
    assert.deepEqual(JSON.parse(told), ['1', "postgresql://clone:p%20w'd@127.0.0.1:55432/shop"]);
    await workbench.palette('View: Close All Editors');
  });

  it('marks migration files that its database does not have, and offers to reset it', async () => {
    const { workbench } = ui();
    await writeFile(
      join(workspace, 'db', 'migrations', '002_orders.sql'),
      'alter table orders add note text;\n',
    );
    const file = { name: '002_orders', file: 'db/migrations/002_orders.sql' };
    engine.fake.script.checkoutMigrations = () => ({
      items: [
        fakeReport({
          tool: 'sql',
          directory: 'db/migrations',
          state: 'behind',
          pending: [file],
          message:
            'plain SQL: 1 migration of this checkout is not in the database. Run it, or reset the clone.',
        }),
      ],
    });
    show({ switchedAt: ago(1) });
    await workbench.statusBarItem('1 pending');
    await workbench.palette('Thin Clones: Show Migrations');
    await workbench.quickInput({ placeholder: 'Open a file' });
    await workbench.screenshot('branch-migrations');
    await workbench.quickPick(/002_orders/);
    await workbench.page.locator('.squiggly-info').first().waitFor();
    await workbench.page.locator('.monaco-editor .view-line').first().click();
    await workbench.page.keyboard.press('Control+.');
    const menu = workbench.page.locator('.action-widget');
    await menu.getByText("Reset the branch's clone", { exact: true }).waitFor();
    await workbench.screenshot('branch-diagnostics');
    // The first one has the focus; older versions let the mouse through only when it moved in the menu before.
    await workbench.page.keyboard.press('ArrowDown');
    await workbench.page.keyboard.press('Enter');
    const dialog = await workbench.dialog('Reset clone feature/login');
    await dialog.press('Cancel');
    const row = await workbench.waitForRow('feature/a');
    assert.match(row.description, /migrations: 1 pending/);
    await workbench.palette('View: Close All Editors');
  });

  it('offers a database where there is none that migrations could be compared with', async () => {
    const { workbench } = ui();
    const { clone, key } = engine.fake.overview.checkouts[0] ?? fakeCheckout();
    show({ state: 'none', clone: null, key: null, reason: 'It has none.', next: null });
    await workbench.statusBarItem(': no database');
    const before = engine.calls('checkoutMigrations').length;
    await workbench.palette('Thin Clones: Show Migrations');
    const offer = await workbench.notification('has no database yet');
    await workbench.screenshot('branch-migrations-none');
    await offer.press('Create Clone');
    await until('the request', () => (engine.calls('checkoutUse').length > 0 ? true : undefined));
    assert.equal(engine.calls('checkoutMigrations').length, before);
    show({ state: 'ready', clone, key, reason: null });
  });

  it('offers to create a clone for the branch in the menu of the view and in the palette while it has none', async () => {
    const { workbench } = ui();
    const { clone, key } = engine.fake.overview.checkouts[0] ?? fakeCheckout();
    const command = 'Create Clone for Current Branch';
    const inMenu = async (): Promise<string[]> => {
      await workbench.page.locator('.part.sidebar .composite.title .codicon-toolbar-more').click();
      const items = workbench.page.locator('.monaco-menu .action-item:not(.disabled) .action-label');
      await items.first().waitFor();
      const titles = await items.allInnerTexts();
      await workbench.screenshot('branch-view-menu');
      await workbench.page.keyboard.press('Escape');
      await items.first().waitFor({ state: 'detached' });
      return titles;
    };
    await workbench.openView('Thin Clones');
    await until('the menu without it', async () => ((await inMenu()).includes(command) ? undefined : true));
    show({ state: 'none', clone: null, key: null, reason: 'It has none.', next: null });
    await workbench.statusBarItem(': no database');
    await until('the menu to begin with it', async () =>
      (await inMenu())[0] === command ? true : undefined,
    );
    const before = engine.calls('checkoutUse').length;
    await workbench.palette(`Thin Clones: ${command}`);
    await until('the request', () => (engine.calls('checkoutUse').length > before ? true : undefined));
    show({ state: 'ready', clone, key, reason: null });
  });

  it('compares again when a migration file is saved', async () => {
    ui();
    const before = engine.calls('checkoutMigrations').length;
    await writeFile(join(workspace, 'db', 'migrations', '003_more.sql'), 'select 1;\n');
    await until('another comparison', () =>
      engine.calls('checkoutMigrations').length > before ? true : undefined,
    );
  });

  it('writes the variables into a tracked file only with consent', async () => {
    const { workbench } = ui();
    engine.fake.script.checkoutEnvFile = ({ body }) => {
      if (body.allowTracked !== true) throw fail('env_file_tracked', { file: String(body.file) });
      return show({ envFile: { file: body.file, state: 'written', problem: null } });
    };
    await workbench.palette('Thin Clones: Write Variables to File…');
    await workbench.quickPick('.env', { title: 'Write Variables to File' });
    const dialog = await workbench.dialog('.env is tracked by Git.');
    assert.match(dialog.detail, /With the next commit everybody who can read the repository reads it/);
    await dialog.press('Write Anyway');
    await workbench.statusBarSays('.env has the variables');
    assert.deepEqual(engine.calls('checkoutEnvFile').at(-1)?.body, { file: '.env', allowTracked: true });
  });

  it('asks about variables of the file that are no plain connection, once, by name and value', async () => {
    const { workbench } = ui();
    const held = [
      { name: 'MAKEFILES', value: './evil\u202e.mk', state: 'asking' },
      { name: 'RAILS_ENV', value: 'test', state: 'asking' },
    ];
    engine.fake.script.checkoutVariable = ({ body }) => {
      const [{ variables, heldVariables } = fakeCheckout()] = engine.fake.overview.checkouts;
      const others = heldVariables.filter(({ name }) => name !== body.name);
      const { name, value } = body as { name: string; value: string };
      return body.answer === 'allow'
        ? show({ variables: { ...variables, [name]: value }, heldVariables: others })
        : show({ heldVariables: [...others, { name, value, state: 'refused' }] });
    };
    show({ heldVariables: held });
    const message = await workbench.notification('sets 2 variables that can do more than lead to a database');
    await message.press('Review…');
    const first = await workbench.dialog('Set the variable MAKEFILES?');
    assert.match(first.detail, /thin-clones\.yaml of .*sets it to\s+"\.\/evil\\u\{202e\}\.mk"/);
    await workbench.screenshot('branch-variable');
    await first.press('Never Set It');
    await (await workbench.dialog('Set the variable RAILS_ENV?')).press('Set It');
    await until('both answers', () => engine.calls('checkoutVariable')[1]);
    assert.deepEqual(
      engine.calls('checkoutVariable').map(({ body }) => body),
      [
        { name: 'MAKEFILES', value: './evil\u202e.mk', answer: 'refuse' },
        { name: 'RAILS_ENV', value: 'test', answer: 'allow' },
      ],
    );
    // What was refused can be thought over; what was told is not told again.
    show({ heldVariables: held });
    show({ heldVariables: [{ ...held[0], state: 'refused' }] });
    await workbench.palette('Thin Clones: Review Variables…');
    await (await workbench.dialog('Set the variable MAKEFILES?')).press('Cancel');
    assert.ok(!(await workbench.notifications()).some((text) => text.includes('that can do more')));
    show({ heldVariables: [], variables: fakeCheckout().variables });
  });

  it('has in its menu what makes sense now', async () => {
    const { workbench } = ui();
    await (await workbench.statusBarItem('feature/a')).click();
    const { items } = await workbench.quickInput({ placeholder: 'What to do?' });
    for (const label of ['Reset', 'Copy Stable URL', 'Show Migrations', 'Unbind'])
      assert.ok(
        items.some((item) => item.includes(label)),
        `${label} in ${items.join(', ')}`,
      );
    await workbench.screenshot('branch-menu');
    await workbench.quickPick(/Copy Stable URL/);
    await workbench.statusBarSays('Stable URL copied');
    assert.match(await workbench.clipboardText(), /^postgresql:\/\/clone:.*@127\.0\.0\.1:55432\/shop$/);
  });

  it('warns of a port that another program took, and gets others', async () => {
    const { workbench } = ui();
    const [endpoint] = fakeCheckout().endpoints;
    show({ endpoints: [{ ...endpoint, state: 'taken' }] });
    const item = await workbench.statusBarItem('feature/a');
    await until('the warning', async () =>
      ((await item.getAttribute('class')) ?? '').includes('warning-kind') ? true : undefined,
    );
    engine.fake.script.checkoutPorts = () => show({ endpoints: [{ ...endpoint, port: 56_000 }] });
    await workbench.palette('Thin Clones: Get Other Stable Ports');
    await workbench.notification('The stable ports are now: orders at port 56000.');
    await workbench.clearNotifications();
  });

  it('cleans up clones of finished branches, and leaves those that are not ours to destroy', async () => {
    const { workbench } = ui();
    const clone = engine.fake.overview.clones.find(({ name }) => name === 'old-report');
    const guarded = engine.fake.overview.clones.find(({ name }) => name === 'load-test');
    const mine = { createdBy: userInfo().username };
    engine.fake.script.proposalList = () => ({
      items: [
        fakeProposal({ ...mine, clone: clone?.id, branch: 'old-report', name: 'old-report' }),
        fakeProposal({
          ...mine,
          clone: guarded?.id,
          branch: 'load-test',
          name: 'load-test',
          isProtected: true,
        }),
        fakeProposal({ createdBy: 'ben', branch: 'theirs', name: 'theirs' }),
      ],
    });
    await workbench.palette('Thin Clones: Clean Up Clones of Finished Branches…');
    await workbench.quickInput({ placeholder: 'Press Enter to destroy 1 clone and free 12 MB' });
    await workbench.screenshot('branch-clean-up');
    await workbench.page.locator('.quick-input-list .monaco-list-row', { hasText: 'theirs' }).click();
    const { items } = await workbench.quickInput({ placeholder: 'Press Enter to destroy 1 clone' });
    assert.equal(items.length, 3);
    await workbench.page.keyboard.press('Enter');
    await workbench.waitForNoRow('old-report');
    assert.deepEqual(
      engine.calls('cloneDestroy').map(({ params }) => params.clone),
      [clone?.id],
    );
  });

  it('is followed no longer when switched off, and takes its variables back', async () => {
    const { workbench } = ui();
    engine.fake.script.checkoutOpen = ({ body }) =>
      body.follow === 'off' ? show({ follow: 'off', state: 'off', clone: null, endpoints: [] }) : show({});
    await workbench.palette('Thin Clones: Follow Branches…');
    await workbench.quickPick(/Off/, { title: 'Follow Branches' });
    await workbench.statusBarItem('2 environments');
    assert.equal(engine.calls('checkoutOpen').at(-1)?.body.follow, 'off');
  });
});

describe('a folder that nobody said anything about', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
      const open = (changes: object) => fakeCheckout({ id: checkoutId, path: scratch.workspace, ...changes });
      engine.fake.script.checkoutOpen = () => {
        const entity = engine.fake.overview.checkouts[0] ?? open(asking('main'));
        engine.put({ kind: 'checkout', entity });
        return entity;
      };
      engine.fake.script.checkoutConnection = () => ({ items: [fakeConnection()] });
    },
  });
  after('stop the engine', () => engine.close());

  it('is asked about at the first change of its branch, not for being opened', async () => {
    const { workbench, scratch } = ui();
    assert.deepEqual(engine.calls('checkoutOpen'), []);
    await workbench.openView('Thin Clones');
    // Ours, not the item of the Git extension: what comes next must be a change of what this window has seen.
    const ours = workbench.page.locator('[id="thin-clones.thin-clones.thinClones.status"]', {
      hasText: 'main',
    });
    await ours.first().waitFor();
    assert.deepEqual(await workbench.notifications(), []);
    assert.deepEqual(engine.calls('checkoutConnection'), []);
    engine.put({
      kind: 'checkout',
      entity: fakeCheckout({ path: scratch.workspace, ...asking('feature/x') }),
    });
    await workbench.notification('Branch feature/x has no database');
  });

  it('gets variables as soon as it is asked whether somebody wants a database for it', async () => {
    const { workbench, scratch } = ui();
    await until('the variables', () => engine.calls('checkoutConnection')[0]);
    const clone = engine.fake.overview.clones.find(({ name }) => name === 'feature/login');
    engine.put({
      kind: 'checkout',
      entity: fakeCheckout({ path: scratch.workspace, state: 'ready', clone: clone?.id }),
    });
    await workbench.statusBarItem('feature/a');
  });

  it('is followed again when its window is opened the next time, without the view', async () => {
    const { workbench } = ui();
    await workbench.openView('Explorer');
    const before = engine.calls('checkoutOpen').length;
    await workbench.reload();
    await workbench.statusBarItem('feature/a');
    assert.ok(engine.calls('checkoutOpen').length > before);
  });
});
