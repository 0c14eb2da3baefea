/** Opens a folder in a real workbench and lets a test see and do there what a person can. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errors } from 'playwright-core';
import type { FrameLocator, Locator, Page } from 'playwright-core';
import { findChromium, launchChromium } from './chromium.ts';
import { messageDriver } from './messages.ts';
import type { MessageDriver } from './messages.ts';
import type { PageElement } from './pageElement.ts';
import { quickInputDriver } from './quickInput.ts';
import type { QuickInputDriver } from './quickInput.ts';
import type { VSCodeServer } from './server.ts';
import { matches, startsWith } from './text.ts';
import type { TextQuery } from './text.ts';
import { treeDriver } from './tree.ts';
import type { TreeDriver } from './tree.ts';
import { until, WAIT_MS } from './until.ts';

const checkout = join(import.meta.dirname, '..', '..', '..');

/** A slow machine with much else to do reads some MB and starts all of them. */
const LOAD_MS = 3 * 60_000;
const TRY_MS = 3000;

export interface OpenWorkbenchOptions {
  readonly server: VSCodeServer;
  readonly folder: string;
  /** Loads an extension from its folder, as `code --extensionDevelopmentPath` does. */
  readonly extensionDevelopmentPath?: string;
  /** Loaded in the same way, beside it. */
  readonly otherExtensions?: readonly string[];
  /** A module that exports `run()`: it is called in the extension host once the extension is loaded. */
  readonly extensionTestsPath?: string;
  /** Called with the exit code when `extensionTestsPath` has ended. */
  readonly onTestsExit?: (code: number) => void;
  /** Called with every line that the extension host prints. */
  readonly onExtensionHostOutput?: (type: string, text: string) => void;
  /** For a server with `auth: 'password'`. */
  readonly password?: string;
  /** Default 1280 x 900. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Where screenshots go. Default `out/screenshots` in the checkout. */
  readonly screenshotsDir?: string;
}

export interface Workbench extends TreeDriver, QuickInputDriver, MessageDriver {
  /** For what this driver does not know. */
  readonly page: Page;
  /** Opens a container of the activity bar by its title and waits until its extension serves the views. */
  openView(containerTitle: string): Promise<void>;
  /** Presses an action in the title bar of the open container or of one of its views. */
  viewAction(title: string): Promise<void>;
  /** Text of the welcome content of the open container, once there is one. */
  welcomeText(): Promise<string>;
  pressWelcomeButton(label: TextQuery): Promise<void>;
  /** Waits for an item whose text contains the string or fits the pattern. Its `aria-label` holds the tooltip. */
  statusBarItem(text: TextQuery): Promise<Locator>;
  /** Waits until the status bar has said it since the last call: such a message goes after a few seconds, looked at or not. */
  statusBarSays(part: string): Promise<void>;
  /** Leaves Restricted Mode. */
  trustWorkspace(): Promise<void>;
  editorTabs(): Promise<string[]>;
  /** The document inside a webview, by the title of its panel or view. */
  webview(title: string): Promise<FrameLocator>;
  /** Waits until the visible text of the active terminal fits, and answers it. */
  terminalText(expected: RegExp): Promise<string>;
  typeInTerminal(text: string): Promise<void>;
  clipboardText(): Promise<string>;
  /** Reloads the window as a person would, and waits for it. */
  reload(): Promise<void>;
  /** Saves `NAME.png`, of the window or of one part of it, and answers its path. */
  screenshot(name: string, of?: Locator): Promise<string>;
  /** Errors that the page wrote to its console, for the report of a failed test. */
  consoleErrors(): readonly string[];
  /** Ends the window first and the browser then, so that the extension host is told and deactivates. */
  close(): Promise<void>;
}

export async function openWorkbench(options: OpenWorkbenchOptions): Promise<Workbench> {
  const { server, folder, screenshotsDir = join(checkout, 'out', 'screenshots') } = options;
  const lookup = await findChromium();
  if (!lookup.found) throw new Error(lookup.reason);
  const browser = await launchChromium(lookup.path);
  try {
    const context = await browser.newContext({ viewport: options.size ?? { width: 1280, height: 900 } });
    context.setDefaultTimeout(WAIT_MS);
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
    const page = await context.newPage();
    const consoleErrors: string[] = [];
    page.on('console', (entry) => {
      if (entry.type() === 'error') consoleErrors.push(entry.text());
    });
    page.on('pageerror', (error) => consoleErrors.push(error.message));

    const said = await hearStatusBar(page);
    await injectDevelopmentOptions(page, options);
    await page.goto(`${server.url}/?folder=${encodeURIComponent(folder)}`, { timeout: LOAD_MS });
    if (options.password !== undefined) {
      await page.locator('input[name="password"]').fill(options.password);
      await page.locator('input[type="submit"]').click();
    }
    await workbenchStarted(page);

    const quickInput = quickInputDriver(page);
    return {
      page,
      ...treeDriver(page),
      ...quickInput,
      ...messageDriver(page, quickInput),
      ...windowDriver(page, said),
      async trustWorkspace() {
        await quickInput.palette('Workspaces: Manage Workspace Trust');
        const editor = page.locator('.workspace-trust-editor');
        await editor.locator('.monaco-button', { hasText: /^Trust$/ }).click();
        await page.locator('.part.statusbar', { hasText: 'Restricted Mode' }).waitFor({ state: 'detached' });
        await quickInput.palette('View: Close Editor');
        await editor.waitFor({ state: 'detached' });
      },
      async reload() {
        await page.reload({ timeout: LOAD_MS });
        await workbenchStarted(page);
      },
      async screenshot(name, of) {
        const path = join(screenshotsDir, `${name}.png`);
        await mkdir(dirname(path), { recursive: true });
        await (of ?? page).screenshot({ path });
        return path;
      },
      consoleErrors: () => consoleErrors,
      async close() {
        await page.close({ runBeforeUnload: false });
        await context.close();
        await browser.close();
      },
    };
  } catch (error) {
    await browser.close();
    throw error;
  }
}

/** Each text that comes to stand in the status bar from now on, also when it is gone before anybody looks. */
async function hearStatusBar(page: Page): Promise<string[]> {
  const said: string[] = [];
  await page.exposeFunction('statusBarSaid', (text: string) => said.push(text));
  await page.addInitScript(`
    let shown = new Set();
    new MutationObserver((records) => {
      const isIn = ({ target }) => (target.parentElement ?? target).closest?.('.part.statusbar');
      if (!records.some(isIn)) return;
      const items = [...document.querySelectorAll('.part.statusbar .statusbar-item')];
      const texts = new Set(items.map(({ textContent }) => textContent));
      for (const text of texts) if (!shown.has(text)) window.statusBarSaid(text);
      shown = texts;
    }).observe(document, { subtree: true, childList: true, characterData: true });
  `);
  return said;
}

type WindowDriver = Omit<
  Workbench,
  | keyof TreeDriver
  | keyof QuickInputDriver
  | keyof MessageDriver
  | 'page'
  | 'reload'
  | 'screenshot'
  | 'consoleErrors'
  | 'close'
  | 'trustWorkspace'
>;

function windowDriver(page: Page, said: string[]): WindowDriver {
  const sidebar = page.locator('.part.sidebar');
  const terminal = page.locator('.terminal-wrapper.active .xterm');
  const readTerminal = async (): Promise<string> =>
    (await terminal.locator('.xterm-rows > div').allInnerTexts()).join('\n').replaceAll('\u00a0', ' ');
  /** What was typed last is there as a whole, on however many rows; looks a few times, since a shell echoes it. */
  const endsWith = async (line: string): Promise<boolean> => {
    const plain = (text: string): string => text.replaceAll(/\s/g, '');
    for (let look = 0; look < 20; look++) {
      if (plain(await readTerminal()).endsWith(plain(line))) return true;
      await page.waitForTimeout(100);
    }
    return false;
  };

  return {
    async openView(containerTitle) {
      const tab = page.locator('.activitybar .action-item').filter({
        has: page.locator(
          `.action-label:is([aria-label=${JSON.stringify(containerTitle)}], [aria-label^=${JSON.stringify(`${containerTitle} `)}])`,
        ),
      });
      await tab.waitFor();
      const title = sidebar.locator('.composite.title h2');
      await until(
        `the side bar to show "${containerTitle}"`,
        async () => {
          const shown = (await title.allInnerTexts()).join().toLowerCase();
          // With one view in the container the title is "CONTAINER: VIEW".
          if (shown.startsWith(containerTitle.toLowerCase())) return true;
          await tab.click();
          return undefined;
        },
        { seen: async () => await title.allInnerTexts() },
      );
      // Shown until the extension that contributes the view has activated.
      await sidebar.getByText('There is no data provider registered').waitFor({ state: 'hidden' });
    },
    async viewAction(title) {
      await sidebar.hover({ position: { x: 20, y: 60 } });
      const action = sidebar
        .locator('.composite.title .action-label, .pane-header .action-label')
        .and(page.locator(startsWith(title)));
      await action.first().click();
    },
    async welcomeText() {
      const content = sidebar.locator('.welcome-view-content');
      return await until('the welcome text', async () => {
        const text = (await content.allInnerTexts()).join('\n');
        return text.trim() === '' ? undefined : text;
      });
    },
    async pressWelcomeButton(label) {
      const buttons = sidebar.locator('.welcome-view-content .monaco-button');
      const index = await until(
        `the welcome button "${String(label)}"`,
        async () => {
          const at = (await buttons.allInnerTexts()).findIndex((text) => matches(label, text));
          return at < 0 ? undefined : at;
        },
        { seen: async () => await buttons.allInnerTexts() },
      );
      await buttons.nth(index).click();
    },
    async statusBarItem(text) {
      const item = page.locator('.part.statusbar .statusbar-item', { hasText: text }).first();
      await item.waitFor();
      return item;
    },
    async statusBarSays(part) {
      await until(
        `the status bar to say "${part}"`,
        () => {
          const at = said.findIndex((text) => text.replaceAll(/\s+/g, ' ').includes(part));
          if (at < 0) return undefined;
          said.splice(0, at + 1);
          return true;
        },
        { seen: () => Promise.resolve(said) },
      );
    },
    async editorTabs() {
      return await page
        .locator('.part.editor .tab')
        .evaluateAll((tabs: PageElement[]) =>
          tabs.map((tab) => tab.querySelector('.label-name')?.textContent ?? ''),
        );
    },
    async webview(title) {
      const outer = page.locator('iframe.webview.ready');
      const name = await until(`the webview "${title}"`, async () => {
        for (const frame of await outer.all()) {
          const inner = frame.contentFrame().locator(`iframe#active-frame[title=${JSON.stringify(title)}]`);
          if ((await inner.count()) > 0) return (await frame.getAttribute('name')) ?? undefined;
        }
        return undefined;
      });
      return page.frameLocator(`iframe.webview[name="${name}"]`).frameLocator('iframe#active-frame');
    },
    async terminalText(expected) {
      return await until(
        `the terminal to show ${String(expected)}`,
        async () => {
          const text = await readTerminal();
          return expected.test(text) ? text : undefined;
        },
        { seen: readTerminal },
      );
    },
    async typeInTerminal(text) {
      const line = text.replace(/\n$/, '');
      await until(
        `the terminal to take ${JSON.stringify(line)}`,
        async () => {
          try {
            await terminal.click({ timeout: TRY_MS });
          } catch (error) {
            // A terminal that another one took the place of meanwhile stays hidden: the next look finds the new one.
            if (error instanceof errors.TimeoutError) return undefined;
            throw error;
          }
          // A click that a layout was in the way of leaves the keys to whatever had the focus.
          if ((await terminal.locator('.xterm-helper-textarea:focus').count()) === 0) return undefined;
          await page.keyboard.type(line);
          if (await endsWith(line)) return true;
          // A terminal that has just come takes the focus in the middle, and a shell that starts drops what it did not read yet.
          await page.keyboard.press('Control+U');
          return undefined;
        },
        { seen: readTerminal },
      );
      if (line !== text) await page.keyboard.press('Enter');
    },
    async clipboardText() {
      return await page.evaluate<string>('navigator.clipboard.readText()');
    },
  };
}

async function workbenchStarted(page: Page): Promise<void> {
  await page.locator('.monaco-workbench').waitFor({ timeout: LOAD_MS });
  await page.waitForFunction(
    () => performance.getEntriesByName('code/didStartWorkbench').length > 0,
    undefined,
    { timeout: LOAD_MS },
  );
}

/**
 * Adds to the configuration in the workbench's page what the desktop takes from its command line. The flag that VS Code
 * offers for it (enable-smoke-test-driver) is missing in older servers and suppresses notification toasts.
 */
async function injectDevelopmentOptions(page: Page, options: OpenWorkbenchOptions): Promise<void> {
  const { server, extensionDevelopmentPath, extensionTestsPath, onTestsExit, onExtensionHostOutput } =
    options;
  const { otherExtensions = [] } = options;
  await page.exposeFunction('codeAutomationExit', (code: number) => onTestsExit?.(code));
  await page.exposeFunction('codeAutomationLog', (type: string, texts: unknown[]) =>
    onExtensionHostOutput?.(type, texts.map(String).join(' ')),
  );
  if (extensionDevelopmentPath === undefined) return;
  const onServer = (path: string): object => ({
    $mid: 1,
    scheme: 'vscode-remote',
    authority: new URL(server.url).host,
    path,
  });
  await page.route(
    (url) => url.pathname === '/',
    async (route) => {
      const response = await route.fetch();
      const html = await response.text();
      const body = html.replace(
        /(id="vscode-workbench-web-configuration" data-settings=")([^"]*)"/,
        (_match, start: string, escaped: string) => {
          const configuration = JSON.parse(escaped.replaceAll('&quot;', '"').replaceAll('&amp;', '&')) as {
            developmentOptions?: object;
          };
          configuration.developmentOptions = {
            ...configuration.developmentOptions,
            extensions: [extensionDevelopmentPath, ...otherExtensions].map(onServer),
            ...(extensionTestsPath !== undefined && { extensionTestsPath: onServer(extensionTestsPath) }),
          };
          const text = JSON.stringify(configuration).replaceAll('&', '&amp;').replaceAll('"', '&quot;');
          return `${start}${text}"`;
        },
      );
      await route.fulfill({ response, body });
    },
  );
}
