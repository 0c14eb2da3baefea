/** The job page in a real workbench, on an engine that does what the test says. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { FrameLocator, Locator } from 'playwright-core';
import type { Job, JobLine, Task } from '../../../engine/protocol/entities.ts';
import { jobIdSchema } from '../../../engine/protocol/ids.ts';
import { until } from '../../support/vscode/until.ts';
import { jobOf } from '../../unit/webviews/jobs.ts';
import { webviewTarget } from '../../../webview-ui/build.mjs';
import { createScriptedEngine, scriptedToken } from './jobPage/scriptedEngine.ts';
import { pickTheme, type ThemeName } from './colorTheme.ts';
import { useWorkbench } from './useWorkbench.ts';

const folder = join(tmpdir(), `tc-job-page-${process.pid}`);
const socket = join(folder, 'engine.sock');

/** What VS Code tells a page of the theme. */
const kinds = {
  light: 'vscode-light',
  dark: 'vscode-dark',
  highContrast: 'vscode-high-contrast',
  highContrastLight: 'vscode-high-contrast-light',
} satisfies Record<ThemeName, string>;

const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();
const task = (name: string, state: Task['state'], changes: Partial<Task> = {}): Task => ({
  name,
  state,
  progress: null,
  startedAt: null,
  endedAt: null,
  ...changes,
});

const id = jobIdSchema.parse('job-aaaaaaaaaaaaaaaa');
const running: Job = jobOf({
  id,
  type: 'environment.refresh',
  title: 'Refresh environment shop',
  createdAt: ago(83),
  startedAt: ago(83),
  progress: 0.42,
  tasks: [
    task('Check the source', 'succeeded', { startedAt: ago(83), endedAt: ago(82.6), progress: 1 }),
    task('Dump orders', 'succeeded', { startedAt: ago(82.6), endedAt: ago(41), progress: 1 }),
    task('Restore orders', 'running', { startedAt: ago(41), progress: 0.63 }),
    task('Verify', 'pending'),
  ],
});
let lastLine = 0;
const line = (text: string, changes: Partial<JobLine> = {}): JobLine => ({
  ...{ job: id, line: ++lastLine, at: ago(0), task: 'Restore orders', level: 'info', text },
  ...changes,
});

/** Runs in the page. */
const backgroundOf = (element: object): string => {
  const { getComputedStyle: styleOf } = globalThis as unknown as {
    getComputedStyle: (of: object) => { backgroundColor: string };
  };
  return styleOf(element).backgroundColor;
};

describe('the job page', function () {
  // One story on one page: what follows a failure says nothing more.
  this.bail(true);
  const engine = createScriptedEngine(socket);
  before('bundle the page and its probe', async function () {
    this.timeout(60_000);
    await mkdir(folder, { mode: 0o700 });
    await build({ ...webviewTarget(join(folder, 'dist', 'webviews')), minify: true });
    await build({
      entryPoints: [join(import.meta.dirname, 'jobPage', 'probe.ts')],
      outfile: join(folder, 'probe.cjs'),
      bundle: true,
      platform: 'node',
      format: 'cjs',
      external: ['vscode'],
    });
    await writeFile(
      join(folder, 'package.json'),
      JSON.stringify({
        ...{ name: 'job-page-probe', publisher: 'test', version: '0.0.1', main: './probe.cjs' },
        engines: { vscode: '^1.103.0' },
        activationEvents: ['onStartupFinished', 'onWebviewPanel:thinClones.job'],
        contributes: { commands: [{ command: 'jobPageProbe.show', title: 'Show Job Page' }] },
      }),
    );
    await engine.start();
  });
  const ui = useWorkbench({
    extensionDevelopmentPath: folder,
    env: { THIN_CLONES_PROBE_SOCKET: socket, THIN_CLONES_PROBE_TOKEN: scriptedToken },
  });
  after('remove them', async () => {
    await engine.stop();
    await rm(folder, { recursive: true, force: true });
  });

  let page: FrameLocator;
  const rows = (): Locator => page.locator('[role=treeitem]');
  const texts = async (): Promise<string[]> => await page.locator('.line-text').allTextContents();
  const row = (name: string): Locator => page.locator('.row', { hasText: name });
  const button = (name: string): Locator => page.locator(`vscode-button[aria-label="${name}"]`);
  const showJob = async (job: string): Promise<void> => {
    await ui().workbench.palette('Show Job Page');
    await ui().workbench.inputBox(job);
  };
  const sees = async (what: string, locator: Locator, text: RegExp): Promise<string> =>
    await until(what, async () => {
      const found = (await locator.allTextContents()).join('\n');
      return text.test(found) ? found : undefined;
    });

  const useTheme = async (name: ThemeName): Promise<void> => {
    await pickTheme(ui().workbench, name);
    await page.locator(`body[data-vscode-theme-kind="${kinds[name]}"]`).waitFor();
  };

  it('shows status, who, elapsed time and progress of a running job', async () => {
    const tables = ['customers', 'orders', 'order_items', 'products', 'invoices', 'addresses'];
    engine.keepLines([
      line('Connected to shop at db.internal:5432, PostgreSQL 16.4, 3.1 GB', { task: 'Check the source' }),
      ...tables.map((name) => line(`dumping contents of table "public.${name}"`, { task: 'Dump orders' })),
      line('table "public.audit_log" is left out: it is not selected', {
        task: 'Dump orders',
        level: 'warning',
      }),
      ...tables.map((name) => line(`processing data for table "public.${name}"`)),
    ]);
    engine.setJob(running);
    // The palette shows the commands that were there when it was opened.
    await ui().workbench.statusBarItem('Job Page Probe');
    await showJob(id);
    page = await ui().workbench.webview('Refresh environment shop');
    await sees('the title', page.locator('h1'), /^Refresh environment shop$/);
    assert.equal(await page.locator('.status').textContent(), 'Running');
    const facts = await sees('the facts', page.locator('.facts'), /environment shop.*by anna/);
    assert.match(facts, /^\d:\d\d /);
    assert.equal(await page.locator('.job-bar').getAttribute('aria-valuenow'), '42');
    assert.deepEqual(await ui().workbench.editorTabs(), ['Refresh environment shop']);
  });

  it('groups the lines by task, with share and duration', async () => {
    await sees('the last line', page.locator('.line-text'), /processing data for table "public.addresses"/);
    const headings = await page.locator('.task').allInnerTexts();
    assert.deepEqual(
      headings.map((text) => text.split('\n')[0]),
      ['Check the source', 'Dump orders', 'Restore orders', 'Verify'],
    );
    assert.match(headings[1] ?? '', /7 lines[^]*41\.6 s/);
    assert.match(headings[2] ?? '', /6 lines[^]*63 % · [\d:]+/);
    assert.equal(await row('Verify').getAttribute('aria-expanded'), null);
  });

  it('gets new lines and progress at once', async () => {
    engine.addLines([line('creating INDEX "public.orders_customer_idx"')]);
    engine.setJob({ ...running, progress: 0.5 });
    await sees('the new line', page.locator('.line-text'), /orders_customer_idx/);
    await sees('the new progress', page.locator('.percent'), /50 %/);
  });

  it('shows what looks like HTML as text', async () => {
    const evil = '<img src=x onerror="document.title=\'owned\'"><b>bold</b> &amp;';
    engine.addLines([line(evil)]);
    await until('the line', async () => ((await texts()).includes(evil) ? true : undefined));
    assert.equal(await page.locator('img, b').count(), 0);
  });

  it('has exactly the promised Content Security Policy and breaks it nowhere', async () => {
    const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
    assert.match(
      policy ?? '',
      /^default-src 'none'; script-src 'nonce-[\w+/]{22}=='; style-src (?<source>[^;]+); font-src \k<source>; img-src \k<source>$/,
    );
    assert.doesNotMatch(policy ?? '', /unsafe/);
    assert.ok((await page.locator('vscode-button').count()) > 0);
    const violations = ui()
      .workbench.consoleErrors()
      .filter((text) => text.includes('Content Security Policy'));
    assert.deepEqual(violations, []);
  });

  it('folds a task by mouse and by keyboard', async () => {
    await row('Dump orders').first().click();
    await until('fewer lines', async () =>
      (await texts()).some((text) => text.includes('dumping')) ? undefined : true,
    );
    assert.equal(await row('Dump orders').getAttribute('aria-expanded'), 'false');
    const keyboard = ui().workbench.page.keyboard;
    await keyboard.press('ArrowRight');
    await sees('the lines again', page.locator('.line-text'), /dumping/);
    await keyboard.press('ArrowRight');
    const tree = page.locator('[role=tree]');
    const active = async (): Promise<string> =>
      (await page.locator('.row.active').getAttribute('aria-label')) ?? '';
    await until('the first line to be active', async () =>
      (await active()).includes('customers') ? true : undefined,
    );
    assert.equal(
      await tree.getAttribute('aria-activedescendant'),
      await page.locator('.row.active').getAttribute('id'),
    );
    await keyboard.press('ArrowLeft');
    await keyboard.press('ArrowLeft');
    await until('it to be folded', async () =>
      (await row('Dump orders').getAttribute('aria-expanded')) === 'false' ? true : undefined,
    );
    await keyboard.press('Enter');
    await sees('the lines again', page.locator('.line-text'), /dumping/);
  });

  it('reaches every control by the keyboard', async () => {
    const { keyboard } = ui().workbench.page;
    await page.locator('[role=tree]').focus();
    const reached: string[] = [];
    const focused = page.locator(':focus').first();
    for (let step = 0; step < 4; step++) {
      await keyboard.press('Shift+Tab');
      reached.push((await focused.getAttribute('aria-label')) ?? '');
    }
    assert.deepEqual(reached, ['Copy Log', 'Lines to show', 'Search the log', 'Cancel Job']);
  });

  it('filters by level and by text, and marks what was found', async () => {
    await page.locator('select').selectOption('warning');
    await sees('the amount', page.locator('.amount'), /^1 of 16 lines$/);
    assert.equal((await texts()).length, 1);
    await page.locator('select').selectOption('info');
    await page.locator('vscode-text-field').click();
    await ui().workbench.page.keyboard.type('ORDER_items');
    await sees('the amount', page.locator('.amount'), /^2 of 16 lines$/);
    assert.deepEqual(await page.locator('mark').allTextContents(), ['order_items', 'order_items']);
    // Not by Control+A: it goes through VS Code and back, and would select what is typed meanwhile.
    const filter = page.locator('vscode-text-field input');
    await filter.fill('nothing like this');
    await sees('the note', page.locator('.empty'), /No line fits/);
    await filter.fill('');
    await sees('all of them', page.locator('.amount'), /^16 lines$/);
  });

  it('copies the log', async () => {
    await button('Copy Log').click();
    const copied = await until('the clipboard', async () => {
      const text = await ui().workbench.clipboardText();
      return text.includes('public.customers') ? text : undefined;
    });
    assert.equal(copied.trimEnd().split('\n').length, 16);
    assert.match(copied, /^\d{4}-\d\d-\d\dT[\d:.]+Z info {4}Connected to shop/);
  });

  it('looks right in light, dark and high contrast', async () => {
    for (const name of ['light', 'highContrast', 'highContrastLight', 'dark'] as const) {
      await useTheme(name);
      await ui().workbench.screenshot(`job-page-running-${name}`);
      const below = await page.locator('.jump').evaluate(backgroundOf);
      assert.match(below, /^rgb\(/, `${below}: lines of the log are seen through the button on them`);
    }
  });

  it('keeps its tools in one row beside the side bar at a zoom of 150 %', async () => {
    const { workbench } = ui();
    // As such a zoom leaves of 1280 x 900.
    await workbench.page.setViewportSize({ width: 853, height: 600 });
    const places = page.locator('.toolbar > *');
    await until('one row of tools', async () => {
      const boxes = await Promise.all((await places.all()).map((place) => place.boundingBox()));
      const middles = boxes.map((box) => (box === null ? NaN : box.y + box.height / 2));
      return Math.max(...middles) - Math.min(...middles) < 4 ? true : undefined;
    });
    await workbench.screenshot('job-page-zoomed');
    await workbench.page.setViewportSize({ width: 1280, height: 900 });
  });

  it('follows the end until the reader scrolls up, and goes back there when asked', async () => {
    await page.locator('.log').focus();
    await ui().workbench.page.keyboard.press('End');
    engine.addLines(Array.from({ length: 2000 }, (_, index) => line(`row batch ${index}`)));
    await sees('the end', page.locator('.line-text'), /row batch 1999/);
    const log = page.locator('.log');
    await log.hover();
    await ui().workbench.page.mouse.wheel(0, -3000);
    await button('Jump to End').waitFor();
    assert.doesNotMatch((await texts()).join(), /row batch 1999/);
    let before = await texts();
    await until('it to come to rest', async () => {
      const last = before;
      before = await texts();
      return before.join('\n') === last.join('\n') ? true : undefined;
    });
    engine.addLines([line('while the reader is elsewhere')]);
    await sees('the amount', page.locator('.amount'), /2,017 lines/);
    assert.deepEqual(await texts(), before);
    await button('Jump to End').click();
    await sees('the end', page.locator('.line-text'), /while the reader is elsewhere/);
    engine.addLines([line('followed again')]);
    await sees('the end', page.locator('.line-text'), /followed again/);
    assert.ok((await rows().count()) < 80, 'only what is in sight is in the document');
  });

  it('says why a job cannot be canceled, and goes on showing it', async () => {
    engine.onCancel = () => {
      throw new Error('it just ended');
    };
    await button('Cancel Job').click();
    await page.locator('.notice.warning').waitFor();
    assert.equal(await page.locator('.status').textContent(), 'Running');
  });

  it('comes back after a reload of the window with its filter, its folds and its place', async () => {
    await page.locator('.log').focus();
    await ui().workbench.page.keyboard.press('Home');
    await ui().workbench.page.keyboard.press('ArrowLeft');
    await until('it to be folded', async () =>
      (await row('Check the source').first().getAttribute('aria-expanded')) === 'false' ? true : undefined,
    );
    await page.locator('.log').hover();
    await ui().workbench.page.mouse.wheel(0, 9000);
    const top = async (): Promise<string> => {
      const box = await page.locator('.log').boundingBox();
      for (const item of await page.locator('.line').all()) {
        const at = await item.boundingBox();
        if (at && box && at.y >= box.y) return (await item.locator('.line-number').textContent()) ?? '';
      }
      return '';
    };
    await until('it to have scrolled', async () => (Number(await top()) > 100 ? true : undefined));
    const place = await top();
    await until('its state to be kept', async () => await kept(page, Number(place)));
    // As a person reloads: the browser's own reload gives VS Code no time to keep what pages saved since the last minute.
    const loaded = ui().workbench.page.waitForEvent('load');
    await ui().workbench.palette('Developer: Reload Window');
    await loaded;
    page = await ui().workbench.webview('Refresh environment shop');
    await sees('the amount', page.locator('.amount'), /2,018 lines/);
    await until('its place', async () => ((await top()) === place ? true : undefined), {
      seen: top,
    });
    assert.equal(await button('Jump to End').isVisible(), true);
    await page.locator('.log').focus();
    await ui().workbench.page.keyboard.press('Home');
    await until('the fold', async () =>
      (await row('Check the source').first().getAttribute('aria-expanded')) === 'false' ? true : undefined,
    );
  });

  it('is shown again, not opened twice, after the reload too', async () => {
    await showJob(id);
    await until('one tab', async () => ((await ui().workbench.editorTabs()).length === 1 ? true : undefined));
    await page.locator('h1').waitFor();
  });

  it('keeps what was last seen when the engine goes, and catches up when it is back', async () => {
    await engine.stop();
    await sees(
      'the note',
      page.locator('.notice'),
      /The engine is not reachable\. This is what was last seen\./,
    );
    assert.equal(await page.locator('h1').textContent(), 'Refresh environment shop');
    assert.equal(await button('Cancel Job').isVisible(), false);
    await ui().workbench.screenshot('job-page-disconnected');
    engine.keepLines([line('written while nobody could see it')]);
    await button('Connect').waitFor();
    await engine.start();
    // The session looks for the engine by itself: the button may be gone before it is pressed.
    await until('the lines', async () => {
      if (/2,019 lines/.test((await page.locator('.amount').textContent()) ?? '')) return true;
      await button('Connect')
        .click({ timeout: 500 })
        .catch(() => undefined);
      return undefined;
    });
    assert.equal(await page.locator('.notice').count(), 0);
  });

  it('cancels the job', async () => {
    engine.onCancel = (job) => ({
      ...{ ...job, state: 'cancelled', endedAt: ago(0), cancellable: false },
      error: { code: 'canceled', message: 'Canceled.', next: '', retryable: false, details: {} },
      tasks: job.tasks.map((item) =>
        item.state === 'running' ? { ...item, state: 'undone', endedAt: ago(0) } : item,
      ),
    });
    await button('Cancel Job').click();
    await sees('the status', page.locator('.status'), /^Canceled$/);
    assert.ok(engine.canceled.includes(id));
    assert.equal(await button('Cancel Job').isVisible(), false);
    assert.equal(await page.locator('.job-bar').isVisible(), false);
  });

  it('says why a job failed and what to do next', async () => {
    const failed = jobIdSchema.parse('job-bbbbbbbbbbbbbbbb');
    engine.setJob({
      ...jobOf({ id: failed, title: 'Create clone feature/a', state: 'failed', cancellable: false }),
      createdAt: ago(70),
      startedAt: ago(70),
      endedAt: ago(66.8),
      tasks: [
        task('Copy the data', 'undone', { startedAt: ago(70), endedAt: ago(69.9) }),
        task('Start the servers', 'failed', { startedAt: ago(69.9), endedAt: ago(66.8) }),
        task('Set the password', 'skipped'),
      ],
      error: {
        code: 'disk_full',
        message: 'The storage at /var/lib/thin-clones is full: 12 MB of 20 GB are free.',
        next: 'Destroy clones that nobody needs, or make room, then create the clone again.',
        retryable: true,
        details: {},
      },
    });
    const its = (number: number, text: string, level: JobLine['level'], name: string): JobLine => ({
      ...{ job: failed, line: number, at: ago(68), task: name, level, text },
    });
    engine.keepLines([
      its(1, 'btrfs subvolume snapshot of snapshot nightly-2026-11-20', 'info', 'Copy the data'),
      its(2, 'starting PostgreSQL 16.4 on port 41207', 'info', 'Start the servers'),
      its(
        3,
        'could not write to file "pg_wal/xlogtemp.4711": No space left on device',
        'error',
        'Start the servers',
      ),
      its(4, 'the copy was destroyed again', 'warning', 'Copy the data'),
    ]);
    await showJob(failed);
    page = await ui().workbench.webview('Create clone feature/a');
    await sees('the error', page.locator('.notice.error'), /is full[^]*Destroy clones/);
    await sees('the log', page.locator('.line-text'), /No space left/);
    for (const theme of ['light', 'dark', 'highContrast'] as const) {
      await useTheme(theme);
      await ui().workbench.screenshot(`job-page-failed-${theme}`);
    }
  });

  it('says so when the engine does not know the job', async () => {
    await showJob('job-cccccccccccccccc');
    page = await ui().workbench.webview('Job');
    await sees('the note', page.locator('.notice'), /no longer keeps this job/);
  });
});

/** The page saves its state a moment after it was scrolled: once the line is in it, a reload brings it back. */
async function kept(page: FrameLocator, line: number): Promise<true | undefined> {
  const top = await page.locator('main').getAttribute('data-saved-top');
  return Number(top) === line ? true : undefined;
}
