/** Whoever checks out a branch does not go on working on the source: variables come early, and what leads there is told. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkoutId, fakeCheckout } from '../../support/fakeEngine/fakeCheckout.ts';
import {
  furnish,
  startScriptedEngine,
  type ScriptedEngine,
} from '../../support/fakeEngine/scriptedEngine.ts';
import { until } from '../../support/vscode/until.ts';
import { fakeConnection } from '../../unit/cli/fakeEngine.ts';
import { useWorkbench } from './useWorkbench.ts';

const onBranch = (branch: string, changes: object): object => ({
  key: branch,
  head: { kind: 'branch', branch, commit: 'b'.repeat(40), operation: null },
  ...changes,
});
const asking = (branch: string): object =>
  onBranch(branch, { state: 'asking', question: { branch, key: branch, from: 'latest' } });

describe('a folder whose .env names the source, which nobody said anything about', () => {
  let engine: ScriptedEngine;
  let workspace = '';
  const ui = useWorkbench({
    async prepare(scratch) {
      workspace = scratch.workspace;
      engine = await startScriptedEngine(scratch.home);
      furnish(engine);
      await writeFile(join(workspace, '.env'), 'PORT=3000\nDATABASE_URL=postgres://anna:secret@db/shop\n');
      const clone = engine.fake.overview.clones.find(({ name }) => name === 'feature/login');
      Object.assign(engine.fake.script, {
        checkoutOpen: () => engine.fake.overview.checkouts[0] ?? show(asking('main')),
        checkoutConnection: () => ({ items: [fakeConnection('orders', 55_432)] }),
        checkoutAnswer: () => show(onBranch('feature/x', { state: 'ready', clone: clone?.id })),
      } satisfies typeof engine.fake.script);
    },
  });
  after('stop the engine', () => engine.close());
  const show = (changes: object) => {
    const entity = fakeCheckout({ id: checkoutId, path: workspace, ...changes });
    engine.put({ kind: 'checkout', entity });
    return entity;
  };
  const needsTerminal = (context: Mocha.Context): void => {
    if (ui().install.limits.some((limit) => limit.includes('terminal'))) context.skip();
  };

  it('gets no variables and hears nothing for being opened', async () => {
    const { workbench } = ui();
    await workbench.openView('Thin Clones');
    await workbench.waitForRow('shop');
    await until('the folder to be opened', () => engine.calls('checkoutOpen')[0]);
    await workbench.statusBarItem('main');
    assert.deepEqual(engine.calls('checkoutConnection'), []);
    assert.deepEqual(await workbench.notifications(), []);
  });

  it('gets its variables while the question of a new branch is open', async function () {
    const { workbench } = ui();
    show(asking('feature/x'));
    await workbench.notification('Branch feature/x has no database of its own yet.');
    await until('the variables', () => engine.calls('checkoutConnection')[0]);
    needsTerminal(this);
    await workbench.palette('Terminal: Create New Terminal');
    await workbench.terminalText(/\$|#/);
    await workbench.typeInTerminal('echo "to $DATABASE_URL"\n');
    await workbench.terminalText(/^to postgresql:\/\/clone:.*127\.0\.0\.1:55432\/shop/m);
  });

  it('is warned of its .env when the branch has its database', async function () {
    const { workbench } = ui();
    const question = await workbench.notification('Branch feature/x has no database of its own yet.');
    await question.press('Create');
    const warning = await workbench.notification('.env (DATABASE_URL) leads to the source of shop');
    assert.match(
      warning.text,
      /works on the real database, not on that of feature\/x\. Terminals that were open before/,
    );
    assert.deepEqual(warning.buttons, ['Write Variables', 'New Terminal', "Don't Warn Again"]);
    await workbench.screenshot('source-warning');
    const hover = workbench.page.locator('.monaco-hover', { hasText: 'still leads to the source' });
    const item = await workbench.statusBarItem('feature/x');
    await until('the hover', async () => {
      await item.hover();
      return (await hover.count()) > 0 ? true : undefined;
    });
    await workbench.page.mouse.move(640, 300);
    needsTerminal(this);
    await warning.press('New Terminal');
    await workbench.terminalText(/\$|#/);
    await workbench.typeInTerminal('echo "on $DATABASE_URL"\n');
    await workbench.terminalText(/^on postgresql:\/\/clone:.*127\.0\.0\.1:55432\/shop/m);
  });

  it('is not warned of again once the file has the block, and can be told so from the menu', async () => {
    const { workbench } = ui();
    await (await workbench.statusBarItem('feature/x')).click();
    await workbench.quickInput({ placeholder: 'What to do?' });
    const item = workbench.page.locator('.quick-input-list .monaco-list-row', {
      hasText: '.env (DATABASE_URL) still leads to the source',
    });
    await item.waitFor();
    await workbench.screenshot('source-menu');
    await item.click();
    await workbench.quickInput({ title: 'Write Variables to File' });
    await workbench.cancelQuickInput();
    await writeFile(
      join(workspace, '.env'),
      'DATABASE_URL=postgres://anna:secret@db/shop\nDATABASE_URL=postgresql://clone@127.0.0.1:55432/shop\n',
    );
    await until('the menu to say nothing of it', async () => {
      await (await workbench.statusBarItem('feature/x')).click();
      await workbench.quickInput({ placeholder: 'What to do?' });
      const count = await item.count();
      await workbench.cancelQuickInput();
      return count === 0 ? true : undefined;
    });
  });
});
