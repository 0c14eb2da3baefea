/** What people see before there is anything to see: not trusted, no engine, no environment. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import {
  fakeHost,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { fakeInfo } from '../../unit/cli/fakeEngine.ts';
import { themes } from '../../support/vscode/server.ts';
import { until } from '../../support/vscode/until.ts';
import { useWorkbench } from './useWorkbench.ts';

describe('the view in a folder that is not trusted', () => {
  const ui = useWorkbench({
    settings: { 'security.workspace.trust.enabled': true, 'security.workspace.trust.startupPrompt': 'never' },
  });

  it('says that nothing is started, and starts nothing', async () => {
    const { workbench, scratch } = ui();
    await workbench.openView('Thin Clones');
    assert.match(await workbench.welcomeText(), /This folder is not trusted, so Thin Clones starts nothing/);
    await workbench.screenshot('welcome-untrusted');
    await workbench.palette('Thin Clones: Create Clone…');
    await workbench.notification('This folder is not trusted');
    assert.deepEqual(await readdir(scratch.home), []);
  });
});

describe('the view without an environment', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    settings: { 'workbench.colorTheme': themes.light },
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
      engine.put({ kind: 'host', entity: fakeHost() });
      await writeFile(
        join(scratch.workspace, '.env'),
        'PORT=3000\nDATABASE_URL=postgres://app:secret@db.example.org:5432/shop\n',
      );
    },
  });
  after('stop the engine', () => engine.close());

  const boxButton = (name: string) =>
    ui().workbench.page.locator('.quick-input-titlebar').getByRole('button', { name });

  it('invites to add one', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await until('the invitation', async () =>
      (await workbench.welcomeText()).includes('Add Environment') ? true : undefined,
    );
    await workbench.screenshot('welcome-no-environment');
  });

  it('offers what the .env files name, keeps its URL in the box with the reason when it fails, and takes another password', async () => {
    const { workbench } = ui();
    const passwords: unknown[] = [];
    engine.fake.script.sourceTest = ({ body }) => {
      passwords.push(body.password);
      const ok = body.password === 'right';
      return {
        ok,
        error: ok
          ? null
          : {
              code: 'source_password',
              message: 'db.example.org refused the password of user "app".',
              next: 'Check user and password.',
              retryable: false,
              details: { user: 'app', host: 'db.example.org' },
            },
        serverVersion: ok ? '16.4' : null,
        databases: [],
        tables: ok
          ? [
              { schema: 'public', name: 'orders', bytes: 800_000_000, rows: 500_000 },
              { schema: 'audit', name: 'log', bytes: 42_000_000, rows: 10 },
            ]
          : [],
        warnings: [],
      };
    };
    await workbench.pressWelcomeButton('Add Environment');
    await workbench.screenshot('add-start');
    await workbench.quickPick(/shop at db\.example\.org/, { title: 'Add Environment' });
    const refused = await workbench.quickInput({ title: 'Add Environment', prompt: 'refused the password' });
    assert.match(
      refused.message,
      /^db\.example\.org refused the password of user "app"\. Check user and password\./,
    );
    assert.equal(refused.value, 'postgresql://app@db.example.org:5432/shop');
    assert.deepEqual(await workbench.notifications(), []);
    await workbench.screenshot('add-problem');
    await boxButton('Enter Password').click();
    await workbench.inputBox('right', { prompt: 'Password for app at db.example.org' });
    await workbench.quickPick(/Choose schemas/, { placeholder: 'What should be copied?' });
    await workbench.quickPickMany(['public'], { placeholder: 'Which schemas' });
    await workbench.screenshot('add-name');
    await workbench.inputBox('shop', { prompt: 'PostgreSQL 16.4, 2 tables, 842 MB' });
    await workbench.waitForRow(['shop', 'Snapshots']);
    const { page } = workbench;
    await until('the keyboard to be where the new environment is', async () =>
      (await page.locator('.part.sidebar .monaco-list:focus .monaco-list-row.focused').count()) === 1
        ? true
        : undefined,
    );
    await page.keyboard.press('ArrowDown');
    await page
      .locator('.part.sidebar .monaco-list:focus .monaco-list-row.focused', { hasText: 'Clones' })
      .waitFor();
    assert.deepEqual(passwords, ['secret', 'right']);
    const [applied] = engine.calls('environmentApply');
    assert.deepEqual(applied?.body, {
      definition: {
        host: 'local',
        members: {
          shop: {
            engine: 'postgres',
            retrieval: 'logical',
            url: 'postgresql://app@db.example.org:5432/shop',
            include: { schemas: ['public'] },
          },
        },
        clones: {},
      },
      passwords: { shop: 'right' },
    });
    assert.deepEqual(engine.calls('environmentRefresh')[0]?.body, { passwords: { shop: 'right' } });
    await until('all toasts to go', async () =>
      (await workbench.notifications()).length === 0 ? true : undefined,
    );
  });

  it('is only saved where the button of the box says so, and leaves large tables out by their exact names', async () => {
    const { workbench } = ui();
    const large = { schema: 'Old', name: 'Audit.Log', bytes: 900_000_000, rows: 7 };
    const small = { schema: 'public', name: 'orders', bytes: 1_000_000, rows: null };
    engine.fake.script.sourceTest = () => ({
      ...{
        ok: true,
        error: null,
        serverVersion: '16.4',
        databases: [],
        tables: [small, large],
        warnings: [],
      },
    });
    await workbench.palette('Thin Clones: Add Environment…');
    await workbench.quickPick(/Connection URL/);
    await workbench.inputBox('postgresql://app@db.example.org:5432/shop', { prompt: 'Connection URL' });
    await workbench.quickPick(/Leave out large tables/, { placeholder: 'What should be copied?' });
    const tables = await workbench.quickInput({ placeholder: 'Which tables should be left out' });
    assert.deepEqual(tables.items, ['Old.Audit.Log', 'public.orders'], 'the largest first');
    await workbench.screenshot('add-tables');
    await workbench.quickPickMany(['Old.Audit.Log']);
    await workbench.quickInput({ prompt: 'Name of the environment' });
    const refreshes = engine.calls('environmentRefresh').length;
    await boxButton('Save Only, Take No Snapshot Now').click();
    await workbench.waitForRow('shop-2');
    const { definition } = engine.calls('environmentApply').at(-1)?.body ?? {};
    assert.deepEqual((definition as { members: { shop: { exclude: unknown } } }).members.shop.exclude, {
      tables: ['"Old"."Audit.Log"'],
    });
    assert.equal(engine.calls('environmentRefresh').length, refreshes);
  });

  it('takes a URL that is pasted right where it asks for the data: an Enter there and one for the name take the first snapshot', async () => {
    const { workbench } = ui();
    const { page } = workbench;
    const sources: unknown[] = [];
    engine.fake.script.sourceTest = ({ body }) => {
      sources.push(body);
      const tables = [{ schema: 'public', name: 'orders', bytes: 1_000_000, rows: 7 }];
      return { ok: true, error: null, serverVersion: '16.4', databases: [], tables, warnings: [] };
    };
    const refreshes = engine.calls('environmentRefresh').length;
    await workbench.palette('Thin Clones: Add Environment…');
    await workbench.quickInput({ placeholder: 'Paste a connection URL' });
    await page.locator('.quick-input-box input.input').fill('postgres://app:secret@db.example.org/crm');
    const { items } = await until('the pasted URL', async () => {
      const state = await workbench.quickInput();
      return /crm at db\.example\.org/.test(state.items.join()) ? state : undefined;
    });
    assert.equal(items.length, 1);
    await workbench.screenshot('add-pasted');
    await page.keyboard.press('Enter');
    const { value } = await workbench.quickInput({ prompt: 'PostgreSQL 16.4, 1 table' });
    assert.equal(value, 'crm');
    const note = await workbench.inputBoxRefusal('My CRM!', { prompt: 'PostgreSQL 16.4, 1 table' });
    assert.match(note, /^It will be called "my-crm"\./);
    await page.keyboard.press('Enter');
    await workbench.waitForRow('my-crm');
    const member = { engine: 'postgres', retrieval: 'logical', url: 'postgresql://app@db.example.org/crm' };
    assert.deepEqual(sources, [{ member, password: 'secret' }]);
    await until('the refresh', async () =>
      engine.calls('environmentRefresh').length > refreshes ? true : undefined,
    );
  });
});

describe('the view of an engine whose state can not be trusted', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
      engine.fake.script.engineInfo = () => ({
        ...{ ...fakeInfo, version: '99.0.0', state: 'blocked', problem: 'the state file is damaged' },
      });
    },
  });
  after('stop the engine', () => engine.close());

  it('offers to rebuild it', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await until('the offer', async () =>
      (await workbench.welcomeText()).includes('Rebuild Engine State') ? true : undefined,
    );
    await workbench.screenshot('welcome-blocked');
    engine.fake.script.engineInfo = () => ({ ...fakeInfo, version: '99.0.0' });
    engine.fake.script.engineRebuild = () => ({ snapshots: 3, clones: 1, keptAs: 'state.db.damaged' });
    await workbench.pressWelcomeButton('Rebuild Engine State');
    await workbench.notification('Found 3 snapshots and 1 clone. The old state is kept as state.db.damaged.');
    await until('the usual welcome', async () =>
      (await workbench.welcomeText()).includes('Add Environment') ? true : undefined,
    );
  });
});

describe('the view when the engine does not start', () => {
  const ui = useWorkbench({
    async prepare(scratch) {
      // An engine's home that is a file: no engine can live there.
      await rm(scratch.home, { recursive: true });
      await writeFile(scratch.home, '');
    },
  });

  it('says so, tells why on request, and can try again', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await until('the failure', async () =>
      (await workbench.welcomeText()).includes('The engine did not start') ? true : undefined,
    );
    await workbench.screenshot('welcome-failed');
    await workbench.statusBarItem('Thin Clones');
    await workbench.pressWelcomeButton('Show Problem');
    await workbench.notification(/EEXIST|ENOTDIR|not a directory|file already exists/);
  });
});
