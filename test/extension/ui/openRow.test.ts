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
    await workbench.statusBarItem('This key deletes clones and snapshots: select one first');
    assert.equal(await workbench.page.locator('.quick-input-widget:visible').count(), 0);
  });
});
