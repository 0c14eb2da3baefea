/** An engine that is stopped is told: before, with the ports that close, and after, in the view. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { checkoutId, fakeCheckout } from '../../support/fakeEngine/fakeCheckout.ts';
import {
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { until } from '../../support/vscode/until.ts';
import { fakeInfo } from '../../unit/cli/fakeEngine.ts';
import { pickTheme } from './colorTheme.ts';
import { useWorkbench } from './useWorkbench.ts';

describe('stopping the engine', () => {
  let engine: ScriptedEngine;
  /** Its end is what the extension waits for. */
  let engineProcess: ChildProcess;
  const ui = useWorkbench({
    async prepare(scratch) {
      engineProcess = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1e6)']);
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
      const clone = engine.fake.overview.clones.find(({ name }) => name === 'feature/login');
      const entity = fakeCheckout({
        ...{ id: checkoutId, path: scratch.workspace, state: 'ready', clone: clone?.id },
      });
      engine.put({ kind: 'checkout', entity });
      Object.assign(engine.fake.script, {
        engineInfo: () => ({
          ...fakeInfo,
          version: '99.0.0',
          pid: engineProcess.pid ?? 0,
          home: scratch.home,
        }),
        checkoutOpen: () => entity,
        engineStop: () => {
          engineProcess.kill();
          setImmediate(() => void engine.close());
          return { stopping: true };
        },
      } satisfies typeof engine.fake.script);
    },
  });
  after('stop the engine', async () => {
    engineProcess.kill();
    await engine.close();
  });

  it('asks first, and names the ports that close', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.waitForRows('the current clone', (rows) =>
      rows.some(({ description }) => description.startsWith('current · ready')),
    );
    await workbench.palette('Thin Clones: Stop Engine');
    const dialog = await workbench.dialog('Stop the engine?');
    assert.match(
      dialog.detail,
      /This stable port leads nowhere until the engine runs again:\n127\.0\.0\.1:55432 \(feature\/a in workspace\)/,
    );
    await workbench.screenshot('engine-stop-dialog');
    await dialog.press('Cancel');
    assert.deepEqual(engine.calls('engineStop'), []);
    await workbench.palette('Thin Clones: Stop Engine');
    await (await workbench.dialog('Stop the engine?')).press('Stop Engine');
    await workbench.statusBarSays('Engine stopped, 1 stable port closed, clones go on');
  });

  it('is told in the view and in the status bar, and nothing there looks alive', async () => {
    const { workbench } = ui();
    const rows = await workbench.waitForRows(
      'the stopped engine',
      ([first]) => first?.label === 'The engine is stopped',
    );
    assert.ok(rows.some(({ description }) => description.startsWith('current, port closed · was ready')));
    const item = await workbench.statusBarItem('feature/a');
    await until('the warning', async () =>
      ((await item.getAttribute('class')) ?? '').includes('warning-kind') ? true : undefined,
    );
    assert.match((await item.getAttribute('aria-label')) ?? '', /the engine is stopped/);
    for (const name of ['light', 'dark', 'highContrast'] as const) {
      await pickTheme(workbench, name);
      await workbench.waitForRow('The engine is stopped');
      await workbench.screenshot(`engine-stopped-${name}`);
    }
  });

  it('is taken back by a click on that row', async () => {
    const { workbench } = ui();
    assert.deepEqual(
      (await workbench.inlineActions('The engine is stopped')).map((title) => title.replace(/ \(.*\)$/, '')),
      ['Start Engine'],
    );
    await workbench.clickRow('The engine is stopped');
    // An engine of its own has none of what the test's engine said.
    await workbench.waitForNoRow('The engine is stopped');
    // Until it answers the view says that it starts.
    await until('the view of the new engine', async () =>
      (await workbench.welcomeText()).includes('Add Environment') ? true : undefined,
    );
  });
});
