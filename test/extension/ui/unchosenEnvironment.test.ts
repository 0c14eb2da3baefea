/** A folder that a second environment leaves without one is told of it, and gets a choice. */
import assert from 'node:assert/strict';
import { checkoutId, fakeCheckout } from '../../support/fakeEngine/fakeCheckout.ts';
import {
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { until } from '../../support/vscode/until.ts';
import { fakeEnvironment } from '../../unit/cli/fakeEngine.ts';
import { pickTheme } from './colorTheme.ts';
import { useWorkbench } from './useWorkbench.ts';

describe('a second environment', () => {
  let engine: ScriptedEngine;
  let workspace = '';
  const show = (changes: object) => {
    const entity = fakeCheckout({ id: checkoutId, path: workspace, ...changes });
    engine.put({ kind: 'checkout', entity });
    return entity;
  };
  const ui = useWorkbench({
    settings: { 'thinClones.branches.follow': 'ask' },
    async prepare(scratch) {
      workspace = scratch.workspace;
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
      for (const { name } of [...engine.fake.overview.environments])
        if (name !== 'shop') engine.put({ kind: 'environment.removed', name });
      let environment: string | null = 'shop';
      show({ environment });
      Object.assign(engine.fake.script, {
        checkoutOpen({ body }) {
          const given = (body as { environment?: string }).environment;
          if (given !== undefined) environment = given;
          else if (engine.fake.overview.environments.length > 1) environment = null;
          return show({ environment, state: 'none' });
        },
      } satisfies typeof engine.fake.script);
    },
  });
  after('stop the engine', () => engine.close());

  it('is told to a folder that it leaves without one, in the view and once as a notification', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.waitForRow('shop');
    engine.put({ kind: 'environment', entity: fakeEnvironment({ name: 'billing', latestSnapshot: null }) });
    show({ environment: null, reason: 'Nothing says which environment it uses.' });
    const told = await workbench.notification(/have no database now/);
    assert.match(told.text, /nothing says whether it goes on with shop/);
    assert.deepEqual(told.buttons, ['Choose Environment…']);
    await workbench.waitForRows(
      'the question',
      ([first]) => first?.label === 'Which environment?' && first.description.startsWith('for '),
    );
    for (const name of ['light', 'highContrast', 'dark'] as const) {
      await pickTheme(workbench, name);
      await workbench.waitForRow('Which environment?');
      await workbench.screenshot(`environment-unchosen-${name}`);
    }
  });

  it('is settled by a click on that row and a choice', async () => {
    const { workbench } = ui();
    await workbench.clickRow('Which environment?');
    await workbench.quickInput({ placeholder: 'Whose data do the branches get?' });
    await workbench.screenshot('environment-unchosen-pick');
    await workbench.quickPick('shop');
    const chosen = await until('the choice', () =>
      engine
        .calls('checkoutOpen')
        .find(({ body }) => (body as { environment?: string }).environment === 'shop'),
    );
    assert.ok(chosen);
    await workbench.waitForNoRow('Which environment?');
  });

  it('leaves the branch to give a new clone its name, and what is ready offers what comes next', async () => {
    const { workbench } = ui();
    engine.holdJobs = true;
    await workbench.inlineAction('shop', 'Create Clone…');
    const box = await workbench.quickInput({ prompt: 'Name of the clone' });
    assert.equal(box.value, 'feature/a', 'the branch that is checked out');
    await workbench.inputBox(box.value, { prompt: 'Name of the clone' });
    const clone = await until('the clone', () =>
      engine.fake.overview.clones.find(({ name }) => name === 'feature/a'),
    );
    show({ environment: 'shop', state: 'ready', clone: clone.id });
    engine.release();
    const ready = await workbench.notification('Clone feature/a is ready.');
    assert.deepEqual(ready.buttons, ['Copy URL', 'Open psql', 'Write Variables']);
    await workbench.screenshot('offers-clone');
    await ready.press('Copy URL');
    const [call] = await until('the connection of the clone', () => {
      const calls = engine.calls('cloneConnection');
      return calls.length > 0 ? calls : undefined;
    });
    assert.equal(call?.params.clone, clone.id);
    await workbench.statusBarSays('URL copied');
  });

  it('tells the end of a refresh that took its time, and is silent about a short one', async () => {
    const { workbench } = ui();
    const refreshed = async (seconds: number): Promise<void> => {
      engine.holdJobs = true;
      const before = engine.calls('environmentRefresh').length;
      await workbench.inlineAction('shop', 'Refresh Environment');
      await until('the refresh', () =>
        engine.calls('environmentRefresh').length > before ? true : undefined,
      );
      const job = engine.fake.overview.jobs.find(({ state }) => state === 'running');
      assert.ok(job);
      const endedAt = new Date().toISOString();
      const startedAt = new Date(Date.parse(endedAt) - seconds * 1000).toISOString();
      const ended = { state: 'succeeded', progress: 1, cancellable: false } as const;
      engine.put({ kind: 'job', entity: { ...job, ...ended, startedAt, endedAt } });
      await workbench.waitForRows('the end', (rows) =>
        rows.some(({ label, description }) => label === 'shop' && !description.startsWith('refreshing')),
      );
    };
    await refreshed(9);
    await refreshed(11);
    const told = await workbench.notification('shop is ready');
    assert.deepEqual(
      (await workbench.notifications()).filter((text) => text.includes('shop is ready')).length,
      1,
      'only of the long one',
    );
    assert.deepEqual(told.buttons, ['Create Clone']);
    await workbench.screenshot('offers-refresh');
    await told.press('Create Clone');
    await workbench.quickInput({ title: 'Create Clone of shop' });
    await workbench.cancelQuickInput();
    engine.holdJobs = false;
    engine.release();
  });
});
