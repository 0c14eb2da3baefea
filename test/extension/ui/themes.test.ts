/** Pictures of the tree and of what was changed in a clone in each kind of theme, for people to look at; and that all is there in each. */
import assert from 'node:assert/strict';
import { cloneChangesSchema } from '../../../engine/protocol/entities.ts';
import { memberNameSchema } from '../../../engine/protocol/ids.ts';
import {
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { pickTheme } from './colorTheme.ts';
import { useWorkbench } from './useWorkbench.ts';

const table = (changes: object) => ({
  ...{ member: 'orders', database: 'shop', schema: 'public', inserted: 0, updated: 0, deleted: 0 },
  ...changes,
});
const changes = cloneChangesSchema.parse({
  counted: 'all',
  schema: true,
  tables: [
    table({ name: 'orders', inserted: 1200, updated: 40, deleted: 3 }),
    table({ schema: 'audit', name: 'log', inserted: 1243 }),
  ],
});
const definitions = (column: string) => ({
  items: [
    {
      ...{ member: memberNameSchema.parse('orders'), database: 'shop' },
      text: `CREATE TABLE public.orders (\n    id integer NOT NULL,\n${column}    note text\n);\n`,
    },
  ],
});

describe('the tree in every kind of theme', () => {
  let engine: ScriptedEngine;
  const ui = useWorkbench({
    async prepare(scratch) {
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
      Object.assign(engine.fake.script, {
        cloneChanges: () => changes,
        cloneDefinitions: ({ params }) =>
          definitions(params.clone === cloneNamed('load-test').id ? '    total numeric(12,2),\n' : ''),
      } satisfies typeof engine.fake.script);
    },
  });
  after('stop the engine', () => engine.close());
  const cloneNamed = (name: string) => {
    const clone = engine.fake.overview.clones.find((each) => each.name === name);
    assert.ok(clone, `no clone ${name}`);
    return clone;
  };

  for (const name of ['light', 'dark', 'highContrast', 'highContrastLight'] as const) {
    it(`has all its rows in ${name}`, async () => {
      const { workbench } = ui();
      await workbench.openView('Thin Clones');
      await workbench.waitForRow('load-test');
      await pickTheme(workbench, name);
      await workbench.expandRow(['shop', 'Snapshots']);
      await workbench.waitForRow('refresh-2026-11-20');
      await workbench.clickRow('load-test');
      await workbench.screenshot(`tree-${name}`);
    });

    it(`shows in ${name} before a reset what was changed, by rows and definitions`, async () => {
      const { workbench } = ui();
      const { page } = workbench;
      await workbench.inlineAction('load-test', 'Reset Clone');
      const dialog = await workbench.dialog('Reset clone load-test to snapshot');
      assert.ok(dialog.buttons.includes('Show Changes'), dialog.buttons.join());
      await workbench.screenshot(`changes-dialog-${name}`);
      await dialog.press('Show Changes');
      const offer = await workbench.notification('Definitions were changed in load-test');
      const report = await workbench.webview('Preview Changes in load-test.md');
      assert.match(await report.locator('table').innerText(), /orders\s+1200\s+40\s+3\s+audit\.log\s+1243/);
      await workbench.screenshot(`changes-${name}`);
      await offer.press('Compare Definitions');
      await page
        .locator('.monaco-diff-editor .modified-in-monaco-diff-editor .line-insert')
        .first()
        .waitFor();
      assert.match(await page.locator('.modified .view-lines').innerText(), /total\snumeric\(12,2\),/);
      assert.doesNotMatch(await page.locator('.original .view-lines').innerText(), /total/);
      // The clone that answered for the snapshot is gone again.
      await workbench.waitForNoRow('before-load-test');
      await workbench.screenshot(`changes-definitions-${name}`);
      assert.equal(engine.calls('cloneReset').length, 0);
      await workbench.palette('View: Close All Editors');
    });
  }
});
