/** The whole loop as a person does it, with a real engine and a real PostgreSQL: add, snapshot, clone, break, reset, destroy. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SOURCE_PASSWORD } from '../../support/postgresSource.ts';
import { queryAt } from '../../support/session.ts';
import { themes } from '../../support/vscode/server.ts';
import { until } from '../../support/vscode/until.ts';
import { useFarMachine } from './farMachine.ts';
import { useShopSource } from './shopSource.ts';
import { useWorkbench } from './useWorkbench.ts';

const minutes = 60_000;

describe('the whole loop with a real database', () => {
  const source = useShopSource(
    20_000,
    'create schema audit',
    'create table audit.log as select n, md5(n::text) as line from generate_series(1, 50000) n',
  );
  const withPassword = (database: string): string =>
    source()
      .url(database)
      .replace('@', `:${encodeURIComponent(SOURCE_PASSWORD)}@`);
  const far = useFarMachine();
  const ui = useWorkbench({
    settings: { 'workbench.colorTheme': themes.dark },
    async prepare(scratch) {
      await writeFile(join(scratch.workspace, '.env'), `OLD_URL=${withPassword('shopp')}\n`);
      const machine = far();
      if (typeof machine !== 'string') await machine.configure(scratch);
    },
  });

  let url = '';
  const query = (sql: string): Promise<unknown[]> => queryAt(url, sql);
  const rowIs = (label: string, description: RegExp) => {
    const { workbench } = ui();
    return until(
      `${label} to be ${String(description)}`,
      async () => {
        const row = (await workbench.treeRows()).find((each) => each.label === label);
        return row !== undefined && description.test(row.description) ? row : undefined;
      },
      { timeoutMs: minutes, seen: () => workbench.treeRows() },
    );
  };

  /** A message in the status bar that stands there already says nothing new: the clipboard does. */
  const copyUrl = async (label: string): Promise<string> => {
    const { workbench } = ui();
    const before = await workbench.clipboardText();
    await workbench.inlineAction(label, 'Copy Connection URL');
    return until(`the URL of ${label} to be copied`, async () => {
      const text = await workbench.clipboardText();
      return text !== before && text.startsWith('postgresql://') ? text : undefined;
    });
  };

  /** What is told beside the offers when something is ready. */
  const surprises = async (): Promise<string[]> =>
    (await ui().workbench.notifications()).filter((text) => !/ is ready/.test(text));

  it('keeps the URL of a .env file that fails in the box with the reason, leaves the largest table out, and takes the first snapshot', async function () {
    this.timeout(3 * minutes);
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.pressWelcomeButton('Add Environment');
    await workbench.quickPick(/shopp at/);
    const refused = await workbench.quickInput({ title: 'Add Environment', prompt: '"shopp"' });
    assert.equal(refused.value, source().url('shopp'), 'without its password');
    await workbench.screenshot('loop-source-fails');
    // The password of the file stays: it is not typed again.
    await workbench.inputBox(source().url('shop'), { title: 'Add Environment' });
    await workbench.quickPick(/Leave out large tables/, { placeholder: 'What should be copied?' });
    const tables = await workbench.quickInput({ placeholder: 'Which tables should be left out' });
    assert.deepEqual(tables.items, ['audit.log', 'public.orders'], 'the largest first');
    await workbench.quickPickMany(['audit.log']);
    await workbench.inputBox('shop', { prompt: 'PostgreSQL' });
    await rowIs('shop', /^data of just now/);
    assert.deepEqual(await surprises(), []);
  });

  it('creates a clone that has the data', async function () {
    this.timeout(2 * minutes);
    const { workbench } = ui();
    await workbench.inlineAction('shop', 'Create Clone…');
    await workbench.inputBox('feature/a', { prompt: 'Name of the clone' });
    await rowIs('feature/a', /^ready · just now/);
    url = await copyUrl('feature/a');
    await workbench.statusBarSays('URL copied');
    assert.deepEqual(await query('select count(*)::int from orders'), [{ count: 20_000 }]);
    assert.deepEqual(await query("select to_regclass('audit.log') as log"), [{ log: null }]);
    await workbench.screenshot('loop-clone');
  });

  it('stops it, says who did, and starts it again with its data', async function () {
    this.timeout(2 * minutes);
    const { workbench } = ui();
    await workbench.contextMenu('feature/a', 'Stop Clone');
    await rowIs('feature/a', /^stopped by \S+ · /);
    await assert.rejects(query('select 1'));
    await workbench.screenshot('loop-stopped');
    await workbench.inlineAction('feature/a', 'Start Clone');
    await rowIs('feature/a', /^ready/);
    assert.deepEqual(await query('select count(*)::int from orders'), [{ count: 20_000 }]);
    assert.deepEqual(await surprises(), []);
  });

  it('makes a clone of it as it is, and shows what was changed since the snapshot', async function () {
    this.timeout(3 * minutes);
    const { workbench } = ui();
    await query("insert into orders values (20001, 'mine')");
    await query('alter table orders add column total numeric(12,2)');
    await workbench.contextMenu('feature/a', 'Create Clone of This Clone…');
    await workbench.inputBox('feature/b', { prompt: 'It begins with the data that feature/a has now' });
    await rowIs('feature/b', /^ready · just now/);
    const origin = url;
    url = await copyUrl('feature/b');
    assert.deepEqual(await query('select total, note from orders where id = 20001'), [
      { total: null, note: 'mine' },
    ]);
    url = origin;
    // A session's work is counted when it has ended, which nobody waits for.
    await until('the row to be counted', async () => {
      const [row] = await query("select n_tup_ins::int from pg_stat_user_tables where relname = 'orders'");
      return JSON.stringify(row) === '{"n_tup_ins":1}' ? true : undefined;
    });
    await workbench.contextMenu('feature/a', 'Show Changes');
    const offer = await workbench.notification('Definitions were changed in feature/a');
    const report = await workbench.webview('Preview Changes in feature∕a.md');
    assert.match(await report.locator('table').innerText(), /orders\s+1\s+0\s+0/);
    await offer.press('Compare Definitions');
    const { page } = workbench;
    await page.locator('.modified .view-line', { hasText: /total\snumeric\(12,2\)/ }).waitFor();
    assert.equal(await page.locator('.original .view-line', { hasText: /total/ }).count(), 0);
    await workbench.waitForNoRow('before-feature/a');
    await workbench.screenshot('loop-definitions');
    await workbench.palette('View: Close All Editors');
    await workbench.contextMenu('feature/b', 'Destroy Clone…');
    await (await workbench.dialog('Destroy clone feature/b?')).press('Destroy');
    await workbench.waitForNoRow('feature/b');
    assert.deepEqual(await surprises(), []);
  });

  it('opens psql on it in a terminal, without a password in sight', async function () {
    const { workbench, install } = ui();
    if (install.limits.some((limit) => limit.includes('terminal'))) this.skip();
    await workbench.inlineAction('feature/a', 'Open psql');
    await workbench.terminalText(/shop[=#>-]+/);
    await workbench.typeInTerminal('drop table orders;\n');
    const text = await workbench.terminalText(/DROP TABLE/);
    assert.ok(!text.includes(new URL(url).password));
    await workbench.screenshot('loop-psql');
    await workbench.typeInTerminal('\\q\n');
  });

  it('has the data back with a reset, under the same URL', async function () {
    this.timeout(2 * minutes);
    const { workbench } = ui();
    await query('drop table if exists orders');
    await workbench.inlineAction('feature/a', 'Reset Clone');
    await (await workbench.dialog('Reset clone feature/a')).press('Reset');
    const counted = await until('the data to be back', async () => {
      try {
        return await query('select count(*)::int from orders');
      } catch (error) {
        // Between the old and the new server, and while the table is still gone.
        if (error instanceof Error) return undefined;
        throw error;
      }
    });
    assert.deepEqual(counted, [{ count: 20_000 }]);
    await rowIs('feature/a', /^ready/);
    assert.deepEqual(await surprises(), []);
  });

  it('destroys it', async function () {
    this.timeout(2 * minutes);
    const { workbench } = ui();
    await workbench.contextMenu('feature/a', 'Destroy Clone…');
    await (await workbench.dialog('Destroy clone feature/a?')).press('Destroy');
    await workbench.waitForRow('No clones yet');
    await assert.rejects(query('select 1'));
    await workbench.screenshot('loop-destroyed');
  });

  it('joins another machine by its ssh login, and asks for its key and the passphrase of one’s own', async function () {
    this.timeout(4 * minutes);
    const machine = far();
    if (typeof machine === 'string') {
      console.log(`      ${machine}`);
      this.skip();
    }
    const { workbench } = ui();
    await workbench.palette('Thin Clones: Add Host…');
    await workbench.quickPick('big', { title: 'Add Host' });
    await workbench.inputBox('big', { prompt: 'Name of the host at ssh://big' });
    await workbench.inputBox('', { prompt: 'Where data lives on big' });
    const dialog = await workbench.dialog('Is this the key of host big?');
    assert.ok(dialog.detail.includes(machine.host.fingerprint), dialog.detail);
    await dialog.press('Trust This Key');
    const { passphrase } = machine.host.lockedKey;
    await workbench.inputBox(passphrase, { title: 'Passphrase of the Key for Host big' });
    await workbench.quickInput({ title: 'Add Host big' });
    await workbench.screenshot('loop-far-steps');
    await rowIs('big', /full copy.* free · <?\d+ ms$/);
    await workbench.screenshot('loop-far-joined');
  });

  it('makes, breaks and resets a clone there, at an address of this machine', async function () {
    this.timeout(4 * minutes);
    const machine = far();
    if (typeof machine === 'string') this.skip();
    const { workbench } = ui();
    await workbench.inlineAction('big', 'Add Environment…');
    await workbench.quickPick(/Dump…/, { title: 'Add Environment on big' });
    await workbench.inputBox(machine.dump, { prompt: 'its path on big' });
    await workbench.inputBox('there', { title: 'Add Environment on big', prompt: 'Name of the environment' });
    await rowIs('there', /^data of /);
    await workbench.inlineAction('there', 'Create Clone…');
    await workbench.inputBox('far', { prompt: 'Name of the clone' });
    await rowIs('far', /^ready · just now/);
    url = await copyUrl('far');
    assert.match(url, /@127\.0\.0\.1:\d+\//);
    await query("update mark set v = 'broken'");
    await workbench.inlineAction('far', 'Reset Clone');
    await (await workbench.dialog('Reset clone far')).press('Reset');
    await until('the data to be back', async () => {
      const rows = await query('select v from mark').catch(() => []); // best effort: between two servers
      return JSON.stringify(rows) === '[{"v":"origin"}]' ? true : undefined;
    });
    await workbench.screenshot('loop-far-clone');
    await workbench.contextMenu('big', 'Remove Host…');
    const dialog = await workbench.dialog('Remove host big?');
    assert.match(dialog.detail, /1 clone and 1 snapshot stay at ssh:\/\/big and go on/);
    await dialog.press('Remove');
    await workbench.waitForNoRow('big');
    assert.deepEqual(await surprises(), []);
  });
});
