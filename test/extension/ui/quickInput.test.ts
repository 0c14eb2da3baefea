/** What the driver of quick inputs does with one that is slow to listen, on a page that has nothing but that. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { findChromium, launchChromium } from '../../support/vscode/chromium.ts';
import { quickInputDriver } from '../../support/vscode/quickInput.ts';

/** As the workbench has it: `forgets`: what is typed before it is filled is thrown away; `deaf`: nobody hears of it. */
const pageWith = (fault: 'forgets' | 'deaf'): string => `
  <div class="quick-input-widget">
    <div class="quick-input-box"><input class="input" placeholder="Select Color Theme"></div>
    <div class="quick-input-list"></div>
  </div>
  <script>
    const input = document.querySelector('input');
    const list = document.querySelector('.quick-input-list');
    const labels = ['Light Modern', 'Dark Modern', 'Dark High Contrast'];
    window.picked = [];
    const show = () => {
      const found = labels.filter((label) => input.value !== '' && label.startsWith(input.value));
      list.innerHTML = found.map((label, index) => '<div class="monaco-list-row" data-index="' + index +
        '"><div class="quick-input-list-row"><div class="monaco-icon-label"><span class="label-name">' + label +
        '</span></div></div></div>').join('');
      for (const row of list.children) row.onclick = () => window.picked.push(row.textContent);
    };
    input.addEventListener('input', function first() {
      input.removeEventListener('input', first);
      ${fault === 'forgets' ? "input.value = '';" : ''}
      input.addEventListener('input', show);
    });
    input.addEventListener('keydown', ({ key }) => key === 'Enter' && window.picked.push(input.value));
  </script>`;

describe('what is typed into a quick input that is slow to listen', () => {
  let browser: Browser;
  let page: Page;
  before(async function () {
    this.timeout(60_000);
    const found = await findChromium();
    assert.ok(found.found);
    browser = await launchChromium(found.path);
  });
  beforeEach(async () => {
    page = await browser.newPage();
  });
  afterEach(() => page.close());
  after(() => browser.close());

  for (const fault of ['forgets', 'deaf'] as const) {
    it(`is typed until the list is filtered, when it ${fault === 'deaf' ? 'hears nothing' : fault} at first`, async () => {
      await page.setContent(pageWith(fault));
      await quickInputDriver(page).typeAndPick('Dark Modern', { placeholder: 'Select Color Theme' });
      assert.deepEqual(await page.evaluate('window.picked'), ['Dark Modern']);
    });
  }
  it('is in the box before Enter is pressed', async () => {
    await page.setContent(pageWith('forgets'));
    await quickInputDriver(page).inputBox('Nothing like this');
    assert.deepEqual(await page.evaluate('window.picked'), ['Nothing like this']);
  });
});
