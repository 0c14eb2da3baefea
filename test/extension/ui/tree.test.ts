/** The tree, its actions, dialogs and messages in a real workbench, on an engine that does what the test says. */
import assert from 'node:assert/strict';
import { fail } from '../../../engine/protocol/errors.ts';
import { fakeClone, fakeConnection, fakeEnvironment } from '../../unit/cli/fakeEngine.ts';
import {
  fakeHost,
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { writeReceivingExtension } from '../../support/vscode/receivingExtension.ts';
import { themes } from '../../support/vscode/server.ts';
import { until } from '../../support/vscode/until.ts';
import { hostTests } from './hostTests.ts';
import { useWorkbench } from './useWorkbench.ts';

describe('the tree', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    settings: { 'workbench.colorTheme': themes.dark },
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
    },
    otherExtensions: async ({ runDir }) => [
      await writeReceivingExtension(runDir, { publisher: 'ms-ossdata', name: 'vscode-pgsql' }),
      await writeReceivingExtension(runDir, {
        ...{ publisher: 'mtxr', name: 'sqltools', command: 'sqltools.openAddConnectionScreen' },
      }),
    ],
  });
  after('stop the engine', () => engine.close());
  afterEach('let held jobs go', () => {
    engine.holdJobs = false;
    engine.release();
  });
  const cloneNamed = (name: string) => {
    const clone = engine.fake.overview.clones.find((each) => each.name === name);
    assert.ok(clone, `no clone ${name}`);
    return clone;
  };

  it('shows environments with their clones and snapshots, and the host', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.waitForRow('shop');
    const rows = await workbench.treeRows();
    // Made when the engine was started: minutes before this on a slow machine.
    const withoutMinutes = (text: string): string => text.replace(/\d+ min ago/, 'minutes ago');
    assert.deepEqual(
      rows.map(
        ({ level, label, description }) =>
          `${'  '.repeat(level - 1)}${label} | ${withoutMinutes(description)}`,
      ),
      [
        'billing | no snapshot yet',
        '  No snapshot yet | take the first one',
        'shop | 4 clones · data of 3 h ago',
        '  Clones | 4',
        '    feature/login | ready · minutes ago · 1.2 MB own',
        '    load-test | protected for 3 days · ready · 1 h ago · 91 MB own',
        '    old-report | stopped · 30 h ago · 400 kB own',
        '    experiment | failed: The server ended with signal SIGKILL · 2 days ago · 400 kB own',
        '  Snapshots | 2',
        '  Committed and kept | 1',
        'local | btrfs, thin · 64 GB free',
      ],
    );
    assert.equal(rows[3]?.ariaLabel, 'Clones of shop, 4 clones');
    const { page } = workbench;
    // As Chromium's accessibility tree has them.
    const tree = page.getByRole('tree', { name: 'Thin Clones' });
    const levelOf = async (name: RegExp): Promise<string | null> =>
      await tree.getByRole('treeitem', { name }).getAttribute('aria-level');
    assert.deepEqual(
      [
        await levelOf(/^shop, 4 clones, data of 3 h ago$/),
        await levelOf(/^feature\/login, ready, .*, 1\.2 MB own(, clone .*)?$/),
        await levelOf(/^load-test, protected for 3 days, ready, 1 h ago, 91 MB own$/),
        await levelOf(/^experiment, failed: The server ended with signal SIGKILL, 2 days ago, 400 kB own$/),
        await levelOf(/^Host local, btrfs, thin, 64 GB free$/),
      ],
      ['1', '3', '3', '3', '1'],
    );
    await page.getByRole('button', { name: /^Thin Clones: 2 environments, 4 clones/ }).waitFor();
  });

  it('offers at most three inline actions, and the rest in the context menu', async () => {
    const { workbench } = ui();
    const titles = (actions: string[]) => actions.map((title) => title.replace(/ \(.*\)$/, ''));
    assert.deepEqual(titles(await workbench.inlineActions('feature/login')), [
      'Reset Clone',
      'Copy Connection URL',
      'Open psql',
    ]);
    assert.deepEqual(titles(await workbench.inlineActions('old-report')), ['Reset Clone', 'Start Clone']);
    assert.deepEqual(await workbench.contextMenuItems('feature/login'), [
      'Open psql',
      'Copy Connection URL',
      'Copy Connection As…',
      'Open in Database Extension…',
      'Stop Clone',
      'Create Clone of This Clone…',
      'Commit Clone as Snapshot…',
      'Show Changes',
      'Protect Clone…',
      'Rename Clone…',
      'Show Clone Details',
      'Show Job…',
      'Reset Clone',
      'Reset Clone To…',
      'Destroy Clone…',
    ]);
  });

  it('asks before a reset, shows its progress in the row, and lets it be canceled there', async () => {
    const { workbench } = ui();
    engine.holdJobs = true;
    await workbench.inlineAction('feature/login', 'Reset Clone');
    const dialog = await workbench.dialog();
    assert.equal(dialog.text, 'Reset clone feature/login to snapshot refresh-2026-11-21?');
    assert.match(dialog.detail, /^Its own data \(1\.2 MB\) is lost\. Port, user and password stay the same/);
    await workbench.screenshot('reset-dialog');
    await dialog.press('Reset');
    await workbench.waitForRows('the progress in the row', (rows) =>
      rows.some(
        ({ label, description }) => label === 'feature/login' && description.startsWith('resetting… 40 %'),
      ),
    );
    await workbench.statusBarItem('Reset clone feature/login 40 %');
    await workbench.screenshot('reset-progress');
    await workbench.inlineAction('feature/login', 'Cancel Job…');
    await until('the cancel request', () => (engine.calls('jobCancel').length > 0 ? true : undefined));
    engine.put({ kind: 'clone', entity: { ...cloneNamed('feature/login'), state: 'ready' } });
    await workbench.waitForRows('the clone to be ready', (rows) =>
      rows.some(({ label, description }) => label === 'feature/login' && description.startsWith('ready')),
    );
    engine.holdJobs = false;
    engine.release();
    assert.deepEqual(await workbench.notifications(), []);
  });

  it('copies the connection URL with one click and says nothing about it', async () => {
    const { workbench } = ui();
    await workbench.inlineAction('feature/login', 'Copy Connection URL');
    await workbench.statusBarSays('URL copied');
    assert.equal(await workbench.clipboardText(), "postgresql://clone:p%20w'd@127.0.0.1:54321/shop");
    assert.deepEqual(await workbench.notifications(), []);
  });

  it('copies other formats, and never shows the password while choosing one', async () => {
    const { workbench } = ui();
    await workbench.palette('Thin Clones: Copy Connection As…');
    await workbench.quickPick('feature/login', { title: 'Copy Connection As' });
    const { items } = await workbench.quickInput({ placeholder: 'In which format?' });
    assert.deepEqual(items, ['URL', 'psql command', '.env lines', 'JDBC URL', 'libpq keywords']);
    await workbench.screenshot('copy-formats');
    assert.doesNotMatch(await workbench.page.locator('.quick-input-widget').innerText(), /p w'd|p%20w/);
    await workbench.quickPick('JDBC URL');
    await workbench.statusBarSays('JDBC URL copied');
    assert.match(
      await workbench.clipboardText(),
      /^jdbc:postgresql:\/\/127\.0\.0\.1:54321\/shop\?user=clone/,
    );
  });

  it('hands a connection to another database extension, and its password only by the clipboard', async () => {
    const { workbench } = ui();
    await workbench.contextMenu('feature/login', 'Open in Database Extension…');
    assert.deepEqual((await workbench.quickInput({ placeholder: 'In which extension?' })).items, [
      'PostgreSQL',
      'SQLTools',
    ]);
    await workbench.screenshot('open-in');
    await workbench.quickPick('SQLTools');
    await workbench.notification('sqltools was given sqltools.openAddConnectionScreen []');
    await workbench.notification(
      'SQLTools asks for the connection to feature/login. Choose the connection string',
    );
    assert.equal(await workbench.clipboardText(), "postgresql://clone:p%20w'd@127.0.0.1:54321/shop");
    await workbench.screenshot('open-in-sqltools');
    await workbench.clearNotifications();
    await workbench.palette('Thin Clones: Open in Database Extension…');
    await workbench.quickPick('feature/login', { title: 'Open in Database Extension' });
    await workbench.quickPick('PostgreSQL', { placeholder: 'In which extension?' });
    await workbench.notification(
      /vscode-pgsql was given \/connect server=127\.0\.0\.1&port=54321&database=shop&user=clone&authenticationType=SqlLogin$/,
    );
    await workbench.notification('PostgreSQL asks for the connection to feature/login. Paste the password');
    assert.equal(await workbench.clipboardText(), "p w'd");
    await workbench.clearNotifications();
  });

  it('makes a clone of a clone, under a name that is proposed', async () => {
    const { workbench } = ui();
    await workbench.contextMenu('feature/login', 'Create Clone of This Clone…');
    assert.equal(
      (await workbench.quickInput({ title: 'Create Clone of feature/login' })).value,
      'feature/login-2',
    );
    await workbench.screenshot('clone-of-clone');
    await workbench.inputBox('feature/copy', {
      prompt: 'It begins with the data that feature/login has now',
    });
    await workbench.waitForRow('feature/copy');
    const [call] = engine.calls('cloneCopy');
    assert.deepEqual(
      [call?.params.clone, call?.body],
      [cloneNamed('feature/login').id, { name: 'feature/copy' }],
    );
    engine.put({ kind: 'clone.removed', id: cloneNamed('feature/copy').id });
    await workbench.waitForNoRow('feature/copy');
  });

  it('creates a clone from the palette without any selection, and refuses a bad name while it is typed', async () => {
    const { workbench } = ui();
    await workbench.palette('Thin Clones: Create Clone…');
    await workbench.quickPick('shop', { placeholder: 'A clone of which environment?' });
    await workbench.quickPick('refresh-2026-11-21', { placeholder: 'Of which snapshot?' });
    assert.match(await workbench.inputBoxRefusal('../'), /letters, digits/);
    assert.match(await workbench.inputBoxRefusal('load-test'), /already a clone "load-test"/);
    await workbench.inputBox('review');
    await workbench.waitForRows('the new clone, ready', (rows) =>
      rows.some(({ label, description }) => label === 'review' && description.startsWith('ready · just now')),
    );
    await until('the new clone to be selected', async () =>
      (await workbench.waitForRow('review')).selected ? true : undefined,
    );
  });

  it('keeps the selection when rows are drawn again', async () => {
    const { workbench } = ui();
    await workbench.clickRow('load-test');
    const clone = cloneNamed('load-test');
    engine.put({
      kind: 'clone',
      entity: { ...clone, bytes: { unshared: 95_000_000, logical: 842_000_000 } },
    });
    engine.put({
      kind: 'clone',
      entity: fakeClone({ name: 'newcomer', createdAt: new Date().toISOString() }),
    });
    await workbench.waitForRow('newcomer');
    const row = await workbench.waitForRow('load-test');
    assert.match(row.description, /95 MB/);
    assert.equal(row.selected, true);
  });

  it('says why a protected clone is not destroyed, with the button that changes that', async () => {
    const { workbench } = ui();
    await workbench.contextMenu('load-test', 'Destroy Clone…');
    const message = await workbench.notification('Clone load-test is protected until');
    assert.deepEqual(message.buttons, ['Change Protection', 'Show Log']);
    // Local and short, and told before any question.
    assert.doesNotMatch(message.text, /\d\d:\d\d:\d\d|\dZ/);
    assert.equal(await workbench.dialogIsOpen(), false);
    await workbench.clearNotifications();
    // What was asked for is not what is in the way: both are named.
    await workbench.contextMenu('shop', 'Delete Environment…');
    const refusal = await workbench.notification("Environment shop can't be deleted: Clone load-test is");
    assert.equal(await workbench.dialogIsOpen(), false);
    await refusal.press('Change Protection');
    await workbench.quickPick(/No longer/, { title: 'Protect load-test' });
    await workbench.waitForRows('the protection to go', (rows) =>
      rows.some(({ label, description }) => label === 'load-test' && !description.includes('protected')),
    );
  });

  it('destroys several selected clones after one question, by the Delete key', async () => {
    const { workbench } = ui();
    await workbench.clickRow('newcomer');
    await workbench.page.keyboard.down('Control');
    await workbench.clickRow('experiment');
    await workbench.page.keyboard.up('Control');
    await workbench.page.keyboard.press('Delete');
    const dialog = await workbench.dialog('Destroy 2 clones?');
    assert.match(dialog.detail, /newcomer, experiment|experiment, newcomer/);
    await dialog.press('Destroy');
    await workbench.waitForNoRow('newcomer');
    await workbench.waitForNoRow('experiment');
  });

  it('shows a failed job with its next step, and its log on a page', async () => {
    const { workbench } = ui();
    engine.holdJobs = true;
    await workbench.palette('Thin Clones: Refresh Environment');
    await workbench.quickPick('billing');
    await workbench.waitForRows('the refresh in the row', (rows) =>
      rows.some(
        ({ label, description }) =>
          label === 'billing' && description.startsWith('refreshing… 40 % · restoring'),
      ),
    );
    assert.deepEqual(await workbench.inlineActions('billing'), ['Cancel Job…']);
    await workbench.screenshot('refreshing');
    engine.release(fail('source_lost', { host: 'db', problem: 'connection reset' }).document);
    engine.holdJobs = false;
    const message = await workbench.notification(
      'Refresh of billing failed: The connection to db was lost during the dump: connection reset. Check',
    );
    assert.match(message.text, /Check the source and refresh again/);
    assert.deepEqual(message.buttons, ['Retry', 'Show Log']);
    await workbench.screenshot('failure');
    await message.press('Show Log');
    await until('the page of the job', async () =>
      (await workbench.editorTabs()).includes('Refresh environment billing') ? true : undefined,
    );
    await workbench.waitForRows('the reason in the row', (rows) =>
      rows.some(
        ({ label, description }) =>
          label === 'billing' && description.startsWith('refresh failed: The connection to db was lost'),
      ),
    );
    assert.deepEqual(await workbench.inlineActions('billing'), ['Retry Refresh', 'Show Job…']);
    await workbench.screenshot('failure-stays');
    const page = await workbench.webview('Refresh environment billing');
    const before = engine.calls('environmentRefresh').length;
    engine.holdJobs = true;
    await page.getByRole('button', { name: 'Retry' }).click();
    await until('the next refresh', () =>
      engine.calls('environmentRefresh').length > before ? true : undefined,
    );
    await until('a page for it', async () =>
      (await workbench.editorTabs()).length === 2 ? true : undefined,
    );
    await workbench.screenshot('job-page-retry');
    engine.release();
    engine.holdJobs = false;
    await workbench.waitForRows('the failure to go', (rows) =>
      rows.some(({ label, description }) => label === 'billing' && description.startsWith('data of')),
    );
    await workbench.palette('View: Close All Editors');
  });

  it('fades what is on a host out of reach, with the reason, and drops none of it', async () => {
    const { workbench } = ui();
    engine.put({
      kind: 'host',
      entity: fakeHost({ state: 'unreachable', problem: 'the connection timed out' }),
    });
    const shows = (
      rows: readonly { label: string; description: string }[],
      label: string,
      text: string,
    ): boolean => rows.some((row) => row.label === label && row.description.includes(text));
    await workbench.waitForRows(
      'the host and its clones out of reach',
      (rows) =>
        shows(rows, 'local', 'the connection timed out') && shows(rows, 'feature/login', 'out of reach'),
    );
    await workbench.screenshot('host-out-of-reach');
    engine.put({ kind: 'host', entity: fakeHost() });
    await workbench.waitForRows('the host to be back', (rows) =>
      rows.some(({ label, description }) => label === 'local' && description.includes('btrfs, thin')),
    );
  });

  it('reports what a host needs, with the command that mends it', async () => {
    const { workbench } = ui();
    await workbench.contextMenu('local', 'Host Doctor');
    await until('the report', async () => {
      const tabs = await workbench.editorTabs();
      return tabs.some((tab) => tab.includes('local (host)')) ? true : undefined;
    });
    await workbench.screenshot('host-doctor');
  });

  it('reports by the button of an error what the host needs that the error is about', async () => {
    const { workbench } = ui();
    engine.put({ kind: 'host', entity: fakeHost({ name: 'builds' }) });
    const { definition } = fakeEnvironment();
    engine.put({
      kind: 'environment',
      entity: fakeEnvironment({ name: 'audits', definition: { ...definition, host: 'builds' } }),
    });
    engine.holdJobs = true;
    await workbench.contextMenu('audits', 'Refresh Environment');
    await workbench.waitForRows('the refresh in the row', (rows) =>
      rows.some(({ label, description }) => label === 'audits' && description.startsWith('refreshing…')),
    );
    const details = { what: 'pg_dump', searched: ['/usr/bin'], install: 'Install it there.' };
    engine.release(fail('programs_missing', details).document);
    engine.holdJobs = false;
    await (
      await workbench.notification('Refresh of audits failed: pg_dump was not found')
    ).press('Host Doctor');
    await until('the report of the other host', async () => {
      const tabs = await workbench.editorTabs();
      return tabs.some((tab) => tab.includes('builds (host)')) ? true : undefined;
    });
    assert.deepEqual(
      engine.calls('hostDoctor').map(({ params }) => params.host),
      ['local', 'builds'],
    );
    engine.put({ kind: 'environment.removed', name: fakeEnvironment({ name: 'audits' }).name });
    // The rows below it move up.
    await workbench.waitForNoRow('audits');
  });

  hostTests(ui, () => engine);

  it('opens psql in a terminal', async function () {
    const { workbench, install } = ui();
    if (install.limits.some((limit) => limit.includes('terminal'))) this.skip();
    // Nothing listens at the port of the fake clone: psql says where it tried to go.
    engine.fake.script.cloneConnection = () => ({ items: [fakeConnection('orders', 9)] });
    await workbench.inlineAction('feature/login', 'Open psql');
    await workbench.page.locator('.terminal-wrapper').first().waitFor();
    await workbench.page.keyboard.press('Control+j');
  });

  it('deletes an environment together with its clones only after a question that counts and names them', async () => {
    const { workbench } = ui();
    await workbench.contextMenu('shop', 'Delete Environment…');
    const dialog = await workbench.dialog('Delete environment shop with its 4 clones?');
    assert.match(dialog.detail, /^4 clones: .*feature\/login.*\. Their data is gone for good\./);
    await workbench.screenshot('delete-environment');
    await dialog.press('Show Clones');
    await until('the page', async () =>
      (await workbench.editorTabs()).some((tab) => tab.includes('Clones of shop')) ? true : undefined,
    );
    assert.deepEqual(engine.calls('environmentDelete'), []);
    await workbench.palette('View: Close All Editors');
  });

  it('has a menu behind its status bar item', async () => {
    const { workbench } = ui();
    const item = await workbench.statusBarItem('2 environments: 4 clones');
    await item.click();
    const { items } = await workbench.quickInput({ title: 'Thin Clones' });
    assert.ok(
      items.some((label) => label.includes('Create Clone')),
      items.join(),
    );
    await workbench.screenshot('menu');
    await workbench.cancelQuickInput();
  });

  it('goes on when the engine goes away and comes back', async () => {
    const { workbench } = ui();
    engine.fake.breakStreams();
    engine.put({ kind: 'clone', entity: fakeClone({ id: 'clone-cccccccccccccccc', name: 'meanwhile' }) });
    await workbench.waitForRow('meanwhile');
  });

  it('destroys the clones of an environment and deletes it, when that was chosen', async () => {
    const { workbench } = ui();
    const before = engine.calls('cloneDestroy').length;
    await workbench.contextMenu('shop', 'Delete Environment…');
    const dialog = await workbench.dialog('Delete environment shop with its');
    await dialog.press(/^Destroy \d+ clones and Delete$/);
    await workbench.waitForNoRow('shop');
    assert.ok(engine.calls('cloneDestroy').length > before + 1);
    assert.deepEqual(
      engine.fake.overview.clones.filter(({ environment }) => environment === 'shop'),
      [],
    );
  });
});
