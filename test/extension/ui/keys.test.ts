/** Keys in the tree act where what is focused and what is selected are the same, and nowhere else. */
import assert from 'node:assert/strict';
import {
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { until } from '../../support/vscode/until.ts';
import { useWorkbench } from './useWorkbench.ts';

describe('a key pressed in the tree', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    // A hover that opens over the next row takes its click.
    settings: { 'workbench.hover.delay': 3_600_000 },
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
    },
  });
  after('stop the engine', () => engine.close());

  const focusedRow = async (): Promise<string> =>
    await ui().workbench.page.locator('.part.sidebar .monaco-list-row.focused .label-name').innerText();
  const press = async (...keys: readonly string[]): Promise<void> => {
    for (const key of keys) await ui().workbench.page.keyboard.press(key);
  };
  /** Clicks the first row and goes on by arrow keys: the first one stays selected. */
  const goFrom = async (row: string, keys: readonly string[], focused: string): Promise<void> => {
    await ui().workbench.clickRow(row);
    await press(...keys);
    await until(
      `the focus to reach ${focused}`,
      async () => ((await focusedRow()) === focused ? true : undefined),
      { seen: focusedRow },
    );
  };
  const isSelected = async (label: string): Promise<void> => {
    await until(`${label} to be selected alone`, async () => {
      const selected = (await ui().workbench.treeRows()).filter((row) => row.selected);
      return selected.length === 1 && selected[0]?.label === label ? true : undefined;
    });
  };
  /** A dialog or a pick would stand there before the text that this waits for. */
  const nothingIsAsked = async (status: string): Promise<void> => {
    const { workbench } = ui();
    await workbench.statusBarSays(status);
    assert.equal(await workbench.dialogIsOpen(), false);
    assert.equal(await workbench.page.locator('.quick-input-widget').isVisible(), false);
  };

  const renameByKey = async (from: string, to: string): Promise<void> => {
    const { workbench } = ui();
    await workbench.clickRow(from);
    await press('F2');
    assert.equal((await workbench.quickInput({ title: `Rename ${from}` })).value, from);
    await workbench.inputBox(to, { title: `Rename ${from}` });
    await workbench.waitForRow(to);
  };

  it('destroys nothing where another clone is selected than the one that is focused', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.waitForRow('feature/login');
    await goFrom('feature/login', ['ArrowDown', 'ArrowDown'], 'old-report');
    await press('Delete');
    await nothingIsAsked('old-report is selected now: press the key again to delete it');
    await isSelected('old-report');
    await workbench.screenshot('key-other-row');
    await press('Delete');
    await (await workbench.dialog('Destroy clone old-report?')).press('Cancel');
  });

  it('destroys nothing from a row that is no clone, whatever is selected', async () => {
    const { workbench } = ui();
    await goFrom('feature/login', ['ArrowUp'], 'Clones');
    await press('Delete');
    await nothingIsAsked('This key deletes clones and snapshots: select one first');
    await isSelected('feature/login');
    await workbench.clickRow('local');
    await press('Control+Alt+r');
    await nothingIsAsked('This key resets a clone: select one first');
    await isSelected('local');
  });

  it('deletes a snapshot that is focused and selected', async () => {
    const { workbench } = ui();
    await workbench.expandRow(['shop', 'Snapshots']);
    await workbench.clickRow('refresh-2026-11-20');
    await press('Delete');
    await (await workbench.dialog('Delete snapshot refresh-2026-11-20?')).press('Cancel');
    await goFrom('refresh-2026-11-20', ['ArrowUp'], 'refresh-2026-11-21');
    await press('Delete');
    await nothingIsAsked('refresh-2026-11-21 is selected now');
  });

  it('acts on several rows only where they are of one kind and it takes several', async () => {
    const { workbench } = ui();
    const alsoClick = async (row: string): Promise<void> => {
      await workbench.page.keyboard.down('Control');
      await workbench.clickRow(row);
      await workbench.page.keyboard.up('Control');
    };
    await workbench.clickRow('refresh-2026-11-20');
    await alsoClick('experiment');
    await press('Delete');
    await nothingIsAsked('This key deletes clones, or one snapshot');
    await workbench.clickRow('experiment');
    await alsoClick('old-report');
    await press('Control+Alt+r');
    await nothingIsAsked('This key resets one clone at a time');
    await press('Delete');
    await (await workbench.dialog('Destroy 2 clones?')).press('Cancel');
  });

  it('resets the clone that is focused and selected without asking which, and no other', async () => {
    const { workbench } = ui();
    await workbench.clickRow('feature/login');
    await press('Control+Alt+r');
    await (await workbench.dialog('Reset clone feature/login to')).press('Cancel');
    await goFrom('feature/login', ['ArrowDown'], 'load-test');
    await press('Control+Alt+r');
    await nothingIsAsked('load-test is selected now: press the key again to reset it');
  });

  it('copies the URL of the clone that is focused and selected without asking which, and of no other', async () => {
    const { workbench } = ui();
    await workbench.clickRow('feature/login');
    await press('Control+c');
    const [call] = await until('the URL to be asked for', () => {
      const calls = engine.calls('cloneConnection');
      return calls.length > 0 ? calls : undefined;
    });
    assert.equal(
      call?.params.clone,
      engine.fake.overview.clones.find((each) => each.name === 'feature/login')?.id,
    );
    await workbench.statusBarSays('URL copied');
    await goFrom('feature/login', ['ArrowDown'], 'load-test');
    await press('Control+c');
    await nothingIsAsked('load-test is selected now: press the key again to copy its URL');
    assert.equal(engine.calls('cloneConnection').length, 1);
  });

  it('renames the clone or the snapshot that is focused and selected, and no other', async () => {
    const { workbench } = ui();
    await workbench.clickRow('load-test');
    await press('F2');
    assert.match(
      await workbench.inputBoxRefusal('feature/login', { prompt: 'New name of the clone' }),
      /There is already a clone "feature\/login"/,
    );
    await workbench.screenshot('rename-clone');
    await workbench.cancelQuickInput();
    await renameByKey('load-test', 'load-2');
    await renameByKey('refresh-2026-11-20', 'before-import');
    assert.deepEqual(
      [engine.calls('cloneRename'), engine.calls('snapshotEdit')].map((calls) =>
        calls.map(({ body }) => body),
      ),
      [[{ name: 'load-2' }], [{ name: 'before-import' }]],
    );
    await goFrom('before-import', ['ArrowUp'], 'refresh-2026-11-21');
    await press('F2');
    await nothingIsAsked('refresh-2026-11-21 is selected now: press the key again to rename it');
    await workbench.clickRow('local');
    await press('F2');
    await nothingIsAsked('This key renames clones and snapshots: select one first');
  });

  it('is not needed to write what is in a snapshot', async () => {
    const { workbench } = ui();
    await workbench.contextMenu('before-import', 'Edit Message of Snapshot…');
    await workbench.inputBox('data of the old shop', { title: 'Message of before-import' });
    await workbench.waitForRow('data of the old shop');
    await workbench.screenshot('snapshot-message');
    await workbench.palette('Thin Clones: Edit Message of Snapshot…');
    await workbench.quickPick('before-import', { placeholder: 'Which snapshot?' });
    await workbench.inputBox('', { title: 'Message of before-import' });
    await workbench.waitForRow('before-import');
    await renameByKey('before-import', 'refresh-2026-11-20');
  });

  it('is named in the menus of the rows', async () => {
    const { workbench } = ui();
    for (const [row, command, key] of [
      ['experiment', 'Destroy Clone…', /\nDel(ete)?$/],
      ['refresh-2026-11-20', 'Delete Snapshot…', /\nDel(ete)?$/],
      ['load-2', 'Rename Clone…', /\nF2$/],
      ['refresh-2026-11-20', 'Rename Snapshot…', /\nF2$/],
    ] as const) {
      await workbench.page
        .locator('.part.sidebar .monaco-list-row', { hasText: row })
        .click({ button: 'right' });
      const item = workbench.page.locator('.monaco-menu .action-menu-item', { hasText: command });
      assert.match(await item.innerText(), key);
      await press('Escape');
      await item.waitFor({ state: 'detached' });
    }
  });
});
