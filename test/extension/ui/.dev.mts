import { installVSCode } from '../../support/vscode/install.ts';
import { makeScratch } from '../../support/vscode/scratch.ts';
import { startVSCodeServer, themes } from '../../support/vscode/server.ts';
import { openWorkbench } from '../../support/vscode/workbench.ts';
import { furnish, startScriptedEngine } from '../../support/fakeEngine/scriptedEngine.ts';
const install = await installVSCode({ version: 'newest' });
const scratch = await makeScratch();
const engine = await startScriptedEngine(scratch.home);
furnish(engine);
const server = await startVSCodeServer({ install, runDir: scratch.runDir, env: { THIN_CLONES_HOME: scratch.home }, settings: { 'workbench.colorTheme': themes.dark } });
try {
  const w = await openWorkbench({ server, folder: scratch.workspace, extensionDevelopmentPath: process.argv[2]!, screenshotsDir: '/tmp/tcdev' });
  try {
    await w.openView('Thin Clones');
    await w.waitForRow('shop');
    console.log((await w.treeRows()).map((r) => `${' '.repeat(r.level * 2)}${r.label} | ${r.description} | ${r.ariaLabel}`).join('\n'));
    await w.expandRow(['shop', 'Snapshots']);
    console.log(await w.inlineActions('feature/login'));
    console.log(await w.contextMenuItems('feature/login'));
    console.log(await w.hoverRow('feature/login'));
    await w.screenshot('dark');
    engine.holdJobs = true;
    await w.inlineAction('load-test', 'Reset Clone');
    const d = await w.dialog();
    console.log(d.text, '|', d.detail, '|', d.buttons);
    await w.screenshot('dialog');
    await d.press('Reset');
    await w.waitForRows('resetting', (rows) => rows.some((r) => r.description.startsWith('resetting')));
    await w.screenshot('resetting');
    engine.release();
  } finally { console.log(w.consoleErrors().slice(0,5)); await w.screenshot('last'); await w.close(); }
} finally { await server.stop(); await engine.close(); await scratch.dispose(); }
