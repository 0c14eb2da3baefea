/** What Enter, clicks and double-clicks on rows of the tree do, in a real workbench. */
import assert from 'node:assert/strict';
import {
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { until } from '../../support/vscode/until.ts';
import { useWorkbench } from './useWorkbench.ts';

describe('rows of the tree that are opened', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    settings: { 'thinClones.clone.open': 'copyUrl' },
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
    },
  });
  after('stop the engine', () => engine.close());
  /** The clones whose URL was asked for. */
  const opened = (): string[] =>
    engine
      .calls('cloneConnection')
      .map(({ params }) => engine.fake.overview.clones.find(({ id }) => id === params.clone)?.name ?? '');

  it('do with a double-click and with Enter what the setting says, and nothing with one click', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.clickRow('feature/login');
    await until('the row to be selected', async () =>
      (await workbench.waitForRow('feature/login')).selected ? true : undefined,
    );
    assert.deepEqual(opened(), []);
    const name = workbench.page.locator('.part.sidebar .label-name', { hasText: 'feature/login' });
    await name.dblclick();
    await until('the URL of the clone', () => (opened().length > 0 ? true : undefined));
    await workbench.page.keyboard.press('ArrowDown');
    await workbench.page.keyboard.press('Enter');
    await until('the URL of the next clone', () => (opened().length > 1 ? true : undefined));
    assert.deepEqual(opened(), ['feature/login', 'load-test']);
    assert.equal((await workbench.waitForRow('load-test')).selected, true);
  });

  it('fold with Enter where there are rows below, as everywhere', async () => {
    const { workbench } = ui();
    await workbench.clickRow('shop');
    await until('the row to fold', async () =>
      (await workbench.waitForRow('shop')).expanded === false ? true : undefined,
    );
    await workbench.page.keyboard.press('Enter');
    await until('the row to unfold', async () =>
      (await workbench.waitForRow('shop')).expanded === true ? true : undefined,
    );
  });

  it('do what they say is missing', async () => {
    const { workbench } = ui();
    await workbench.clickRow('No snapshot yet');
    await until('the refresh', () => engine.calls('environmentRefresh')[0]);
    await workbench.clickRow('No clones yet');
    await workbench.quickInput({ title: 'Create Clone of billing' });
    await workbench.cancelQuickInput();
    // A key that looks for the row that has the focus is no click on it.
    await workbench.page.keyboard.press('Delete');
    await workbench.statusBarSays('This key deletes clones and snapshots: select one first');
    assert.equal(await workbench.page.locator('.quick-input-widget:visible').count(), 0);
  });

  describe('on a page of their own', () => {
    const cloneNamed = (name: string) => {
      const clone = engine.fake.overview.clones.find((each) => each.name === name);
      assert.ok(clone);
      return clone;
    };

    it('show a clone live, with the actions of its row for mouse and keyboard', async () => {
      const { workbench } = ui();
      await workbench.contextMenu('feature/login', 'Show Clone Details');
      const page = await workbench.webview('feature/login');
      await page.getByRole('heading', { level: 1, name: 'feature/login' }).waitFor();
      assert.equal(await page.locator('.about').innerText(), 'Clone · ready');
      const connection = page.getByRole('region', { name: 'Connection' });
      assert.match(
        await connection.innerText(),
        /orders\n*\s*PostgreSQL 18, 127\.0\.0\.1:54321\/shop, user clone/,
      );
      const labels: string[][] = [];
      for (const group of await page.getByRole('group').all())
        labels.push([
          (await group.getAttribute('aria-label')) ?? '',
          ...(await group.locator('vscode-button').allInnerTexts()),
        ]);
      // The same as in the menu of the row, but for what opens this page.
      const menu = await workbench.contextMenuItems('feature/login');
      assert.deepEqual(
        labels.flatMap(([, ...names]) => names),
        menu.filter((title) => title !== 'Show Clone Details'),
      );
      assert.deepEqual(
        labels.map(([name]) => name),
        ['Use', 'State', 'Lose data'],
      );
      await workbench.screenshot('details-clone');

      const before = opened().length;
      await page.getByRole('button', { name: 'Copy Connection URL' }).click();
      await until('the URL', () => (opened().length > before ? true : undefined));
      assert.equal(opened().at(-1), 'feature/login');
      await page.getByRole('button', { name: 'Copy Connection URL' }).press('Shift+Tab');
      assert.equal(await page.locator('vscode-button:focus').innerText(), 'Open psql');
      await page.locator('vscode-button:focus').press('Tab');
      await page.locator('vscode-button:focus').press('Enter');
      await until('the URL again', () => (opened().length > before + 1 ? true : undefined));

      engine.put({
        kind: 'clone',
        entity: { ...cloneNamed('feature/login'), state: 'stopped', stoppedBy: 'anna' },
      });
      await page.locator('.about', { hasText: 'Clone · stopped by anna' }).waitFor();
      assert.equal(
        await page.locator('[role=status]').textContent(),
        'feature/login: stopped by anna',
        'what a screen reader is told',
      );
      await page.getByRole('button', { name: 'Start Clone' }).waitFor();
      assert.equal(await page.getByRole('button', { name: 'Open psql' }).count(), 0);
      engine.put({
        kind: 'clone',
        entity: { ...cloneNamed('feature/login'), state: 'ready', stoppedBy: null },
      });
      await page.getByRole('button', { name: 'Open psql' }).waitFor();
      await page.getByRole('button', { name: 'Reset Clone', exact: true }).click();
      await (await workbench.dialog('Reset clone feature/login')).press('Cancel');
    });

    it('tell the problem of a clone, and that it is gone', async () => {
      const { workbench } = ui();
      await workbench.contextMenu('experiment', 'Show Clone Details');
      const page = await workbench.webview('experiment');
      const problem = page.getByRole('alert');
      await problem.waitFor();
      assert.equal(await problem.innerText(), 'The server ended with signal SIGKILL.');
      await workbench.screenshot('details-problem');
      engine.put({ kind: 'clone.removed', id: cloneNamed('experiment').id });
      await page.locator('.about', { hasText: 'Clone · gone' }).waitFor();
      assert.equal(await page.getByRole('button').count(), 0);
    });

    it('show a snapshot and an environment, also after the window is loaded again', async () => {
      const { workbench } = ui();
      await workbench.palette('View: Close All Editors');
      await workbench.contextMenu('shop', 'Show Environment Details');
      const sources = (await workbench.webview('shop')).getByRole('region', { name: 'Sources' });
      assert.match(await sources.innerText(), /PostgreSQL, logical/);
      await workbench.screenshot('details-environment');
      // As a person reloads: the browser's own reload gives VS Code no time to keep which pages are open.
      await workbench.palette('Developer: Reload Window');
      await workbench.page.locator('iframe.webview').waitFor({ state: 'detached' });
      const restored = await workbench.webview('shop');
      await restored.getByRole('button', { name: 'Create Clone…' }).waitFor();
      await workbench.openView('Thin Clones');
      await workbench.expandRow(['shop', 'Snapshots']);
      await workbench.contextMenu('refresh-2026-11-20', 'Show Snapshot Details');
      const page = await workbench.webview('refresh-2026-11-20');
      await page.getByRole('button', { name: 'Delete Snapshot…' }).waitFor();
      await workbench.screenshot('details-snapshot');
    });
  });

  it('name the clones that start from a snapshot before it is deleted, and go the whole way only if that is chosen', async () => {
    const { workbench } = ui();
    const { overview } = engine.fake;
    const snapshot = overview.snapshots.find(({ name }) => name === 'refresh-2026-11-21');
    assert.ok(snapshot);
    const clones = overview.clones
      .filter(({ protectedUntil }) => protectedUntil === null)
      .map(({ id }) => id);
    engine.put({ kind: 'snapshot', entity: { ...snapshot, clones } });
    await workbench.expandRow(['shop', 'Snapshots']);
    await workbench.waitForRows('the clones in the row', (rows) =>
      rows.some(({ label, description }) => label === snapshot.name && description.includes('3 clones')),
    );
    await workbench.contextMenu(snapshot.name, 'Delete Snapshot…');
    const dialog = await workbench.dialog(/start from snapshot refresh-2026-11-21/);
    assert.match(dialog.text, /^Clones ((feature\/login|old-report|experiment)(, )?){3} start from/);
    assert.match(dialog.detail, /reset it to another snapshot first/);
    await workbench.screenshot('delete-snapshot-in-use');
    // More than was asked for is never one Enter away.
    await workbench.page.keyboard.press('Enter');
    await dialog.gone();
    await workbench.webview('Preview Clones of snapshot refresh-2026-11-21.md');
    assert.deepEqual([engine.calls('snapshotDelete'), engine.calls('cloneDestroy')], [[], []]);
    await workbench.palette('View: Close All Editors');
    const load = overview.clones.find(({ name }) => name === 'load-test');
    assert.ok(load);
    engine.put({ kind: 'snapshot', entity: { ...snapshot, clones: [...clones, load.id] } });
    await workbench.waitForRows('one more', (rows) =>
      rows.some(({ label, description }) => label === snapshot.name && description.includes('4 clones')),
    );
    await workbench.contextMenu(snapshot.name, 'Delete Snapshot…');
    await workbench.notification('Clone load-test is protected until');
    assert.equal(await workbench.dialogIsOpen(), false);
  });
});
