/** Pictures of the tree and of what was changed in a clone in each kind of theme, for people to look at; and that all is there in each. */
import assert from 'node:assert/strict';
import { cloneChangesSchema } from '../../../engine/protocol/entities.ts';
import { memberNameSchema } from '../../../engine/protocol/ids.ts';
import {
  ago,
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { pickTheme } from './colorTheme.ts';
import { farHost, forgetHost, furnishFarHost } from './farHostRows.ts';
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

    it(`tells in ${name} what another host holds that can not be reached, also in a narrow side bar`, async () => {
      const { workbench } = ui();
      const { page } = workbench;
      engine.put({
        kind: 'host',
        entity: farHost({
          ...{ state: 'unreachable', unreachableSince: ago(7) },
          problem: "Host big can't be reached: nothing accepts connections there.",
        }),
      });
      furnishFarHost(engine);
      await workbench.waitForRow('far');
      await workbench.screenshot(`hosts-${name}`);
      const bar = page.locator('.part.sidebar');
      const drag = async (from: number, to: number): Promise<void> => {
        await page.mouse.move(from, 500);
        await page.mouse.down();
        await page.mouse.move(to, 500, { steps: 5 });
        await page.mouse.up();
      };
      const edgeOf = async (): Promise<number> => {
        const { x, width } = (await bar.boundingBox()) ?? assert.fail('no side bar');
        return x + width;
      };
      const wide = await edgeOf();
      await drag(wide, wide - 120);
      assert.ok((await edgeOf()) < wide - 60, `still ${await edgeOf()} wide`);
      await workbench.screenshot(`hosts-narrow-${name}`);
      await drag(await edgeOf(), wide);
      forgetHost(engine, 'big');
      await workbench.waitForNoRow('far');
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
