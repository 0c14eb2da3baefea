/** Pictures of the tree in each kind of theme, for people to look at; and that its rows are there in each. */
import {
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { useWorkbench } from './useWorkbench.ts';

/** The label in the theme picker, and the class that the workbench has then. */
const picked = {
  light: { label: 'Light Modern', kind: '.vs' },
  dark: { label: 'Dark Modern', kind: '.vs-dark' },
  highContrast: { label: 'Dark High Contrast', kind: '.hc-black' },
  highContrastLight: { label: 'Light High Contrast', kind: '.hc-light' },
} as const;

describe('the tree in every kind of theme', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
    },
  });
  after('stop the engine', () => engine.close());

  for (const name of ['light', 'dark', 'highContrast', 'highContrastLight'] as const) {
    it(`has all its rows in ${name}`, async () => {
      const { workbench } = ui();
      const { label, kind } = picked[name];
      // By the picker, as people do: a changed settings file is not always noticed, and high contrast not at the start.
      await workbench.palette('Preferences: Color Theme');
      await workbench.typeAndPick(label, { placeholder: 'Select Color Theme' });
      await workbench.page.locator(`.monaco-workbench${kind}`).waitFor();
      await workbench.openView('Thin Clones');
      await workbench.expandRow(['shop', 'Snapshots']);
      await workbench.waitForRow('refresh-2026-11-20');
      await workbench.clickRow('load-test');
      await workbench.screenshot(`tree-${name}`);
    });
  }
});
