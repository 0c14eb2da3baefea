/** The job page alone in a browser: a million lines, and the way back to a place in them. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { pageHtml } from '../../../src/webviews/pageDocument.ts';
import { webviewTarget } from '../../../webview-ui/build.mjs';
import type { PageState, ToPage } from '../../../webview-ui/jobs/messages.ts';
import { skipSuite } from '../../support/skips.ts';
import { findChromium, launchChromium } from '../../support/vscode/chromium.ts';
import { until } from '../../support/vscode/until.ts';
import { jobId, jobOf, lineOf } from '../../unit/webviews/jobs.ts';

const origin = 'http://page.localhost';
const million = 1_000_000;

/** What VS Code gives a page, for a page without one. `saved` and `sent` are read by the test. */
const vscodeApi = (state: PageState | undefined): string => `
  window.saved = ${JSON.stringify(state ?? null)};
  window.sent = [];
  window.acquireVsCodeApi = () => ({
    postMessage: (message) => window.sent.push(message),
    getState: () => window.saved ?? undefined,
    setState: (state) => { window.saved = state; },
  });
`;

/** Posts lines in messages of 5000, each once the one before it was taken; runs inside the page. */
const feedLines = (from: number, to: number): string => `(async () => {
  const taken = () => Math.max(0, ...window.sent.filter(({ kind }) => kind === 'took').map(({ through }) => through));
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  for (let first = ${from}; first <= ${to}; first += 5000) {
    const lines = [];
    for (let line = first; line < first + 5000 && line <= ${to}; line++) {
      lines.push({
        line, at: new Date(1.7e12 + line).toISOString(), task: line % 2 === 0 ? 'Dump' : 'Restore', level: 'info',
        text: 'pg_restore: processing data for table "public.part_' + line + '"',
      });
    }
    window.postMessage({ kind: 'lines', lines });
    while (taken() < lines.at(-1).line) await frame();
    window.sent.length = 0;
    window.sent.push({ kind: 'took', through: lines.at(-1).line });
  }
})()`;

describe('the job page with very many lines', () => {
  let folder: string;
  let browser: Browser;
  let page: Page;
  let devtools: CDPSession;

  before(async function () {
    this.timeout(120_000);
    const chromium = await findChromium();
    if (!chromium.found) skipSuite(this, chromium.reason);
    folder = await mkdtemp(join(tmpdir(), 'tc-page-'));
    await build({ ...webviewTarget(folder), minify: true });
    browser = await launchChromium(chromium.path);
  });
  after(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = async (state?: PageState): Promise<void> => {
    page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
    await page.addInitScript(vscodeApi(state));
    await page.route(`${origin}/**`, async (route) => {
      const { pathname } = new URL(route.request().url());
      if (pathname !== '/') {
        await route.fulfill({ path: join(folder, pathname) });
        return;
      }
      const urls = { script: `${origin}/job.js`, style: `${origin}/job.css` };
      const body = pageHtml({ cspSource: origin, ...urls, title: 'Job', data: { job: jobId } });
      await route.fulfill({ contentType: 'text/html', body });
    });
    await page.goto(`${origin}/`);
    devtools = await page.context().newCDPSession(page);
  };
  const post = async (message: ToPage): Promise<void> => {
    await page.evaluate(`window.postMessage(${JSON.stringify(message)})`);
  };
  const tasks = (['Dump', 'Restore'] as const).map((name) => ({
    ...{ name, state: 'running' as const, progress: 0.5, startedAt: jobOf().startedAt, endedAt: null },
  }));
  const start = async (): Promise<void> => {
    await post({ kind: 'connection', state: 'connected', problem: null });
    await post({ kind: 'job', job: jobOf({ tasks }) });
  };
  /** Megabytes of the page: JavaScript, its buffers and the document's own. */
  const memory = async (): Promise<number> => {
    await devtools.send('HeapProfiler.collectGarbage');
    const heap = (await devtools.send('Runtime.getHeapUsage')) as unknown as Record<string, number>;
    const parts = ['usedSize', 'embedderHeapUsedSize', 'backingStorageSize'].map((name) => heap[name] ?? 0);
    return parts.reduce((sum, part) => sum + part, 0) / 1e6;
  };

  it('weighs less than 80 KB', async () => {
    const { gzipSync } = await import('node:zlib');
    const files = await Promise.all(['job.js', 'job.css'].map((name) => readFile(join(folder, name))));
    const bytes = files.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0);
    assert.ok(bytes < 80_000, `${bytes} bytes`);
  });

  it('holds a million lines in less than 100 MB', async function () {
    this.timeout(240_000);
    await open();
    await start();
    const before = await memory();
    await page.evaluate(feedLines(1, million));
    await until('the amount', async () =>
      (await page.locator('.amount').textContent())?.startsWith('1,000,000 lines') === true
        ? true
        : undefined,
    );
    const after = await memory();
    console.log(`      ${before.toFixed(1)} MB before, ${after.toFixed(1)} MB with a million lines`);
    assert.ok(after < 100, `${after} MB`);
    assert.ok((await page.locator('.row').count()) < 80);
  });

  it('draws for each frame of a scroll through them only what is seen, and tells how long that takes', async function () {
    this.timeout(60_000);
    // Time on the processor, not on the clock: other work on this machine is not the page's.
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
    const worked = async (): Promise<number> => {
      const { metrics } = await devtools.send('Performance.getMetrics');
      return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN) * 1000;
    };
    const frames: number[] = [];
    for (let step = 0; step < 100; step++) {
      const before = await worked();
      await page.evaluate(`new Promise((resolve) => {
        const log = document.querySelector('.log');
        log.scrollTop = (log.scrollHeight - log.clientHeight) * ${(step * 0.37) % 1};
        requestAnimationFrame(() => requestAnimationFrame(resolve));
      })`);
      // Two frames: the one that moves, and the one that is drawn for it.
      frames.push((await worked()) - before);
      const drawn = await page.locator('.row').count();
      assert.ok(drawn > 0 && drawn < 80, `${drawn} rows`);
    }
    frames.sort((a, b) => a - b);
    const [p50, p95] = [0.5, 0.95].map((share) => frames[Math.floor(frames.length * share)] ?? NaN) as [
      number,
      number,
    ];
    console.log(`      p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms`);
  });

  it('reaches both ends of them', async () => {
    await page.locator('.log').focus();
    await page.keyboard.press('Home');
    await page.locator('.line-number', { hasText: /^2$/ }).waitFor();
    await page.keyboard.press('End');
    await page.locator('.line-number', { hasText: /^999999$/ }).waitFor();
  });

  it('searches them without keeping the page from answering', async function () {
    this.timeout(120_000);
    await page.locator('vscode-text-field').click();
    const waits = page.evaluate<number[]>(`new Promise((resolve) => {
      let last = performance.now();
      const waits = [];
      const look = () => {
        const now = performance.now();
        waits.push(now - last);
        last = now;
        if (document.querySelector('.amount').textContent.startsWith('11 of')) resolve(waits);
        else requestAnimationFrame(look);
      };
      look();
    })`);
    // 77777 itself and 777770 to 777779.
    await page.keyboard.insertText('part_77777');
    const frames = (await waits).sort((a, b) => a - b);
    const p95 = frames[Math.floor(frames.length * 0.95)] ?? NaN;
    console.log(`      ${frames.length} frames while it searched, p95 ${p95.toFixed(0)} ms apart`);
    assert.ok(frames.length > 20, frames.join(' '));
    await page.close();
  });

  it('counts and drops messages that it cannot read', async () => {
    await open();
    await page.evaluate(`window.postMessage({ kind: 'html', html: '<b>' }); window.postMessage(7);`);
    await start();
    await page.locator('h1', { hasText: 'Reset clone' }).waitFor();
    const counts = await page.evaluate<number[]>(
      `window.sent.filter(({ kind }) => kind === 'dropped').map(({ count }) => count)`,
    );
    assert.deepEqual(counts, [1, 2]);
    await page.close();
  });

  it('goes back to its place after a reload, whenever the lines come', async () => {
    const state: PageState = {
      ...{ version: 1, job: jobId, collapsed: ['Dump'], level: 'info', search: '', follow: false, top: 4001 },
      last: jobOf({ tasks }),
    };
    await open(state);
    await page.locator('h1', { hasText: 'Reset clone' }).waitFor();
    await post({ kind: 'connection', state: 'connecting', problem: null });
    await start();
    await page.evaluate(feedLines(1, 20_000));
    await post({ kind: 'lines', lines: [lineOf(20_001, { task: 'Restore' })] });
    const seen = async (): Promise<unknown> => await page.evaluate('window.saved');
    await until(
      'the place to be saved',
      async () => {
        const saved = await page.evaluate<PageState>('window.saved');
        return saved.top === 4001 && !saved.follow && saved.collapsed.length === 1 ? true : undefined;
      },
      { seen },
    );
    await page.locator('.line-number', { hasText: /^4001$/ }).waitFor();
    await page.close();
  });
});
