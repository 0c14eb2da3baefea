import assert from 'node:assert/strict';
import { useWorkbench } from './useWorkbench.ts';

describe('the Thin Clones side bar', () => {
  const ui = useWorkbench();

  it('opens from the activity bar', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.screenshot('sidebar');
    assert.match(await workbench.page.locator('.part.sidebar .composite.title').innerText(), /thin clones/i);
  });
});
