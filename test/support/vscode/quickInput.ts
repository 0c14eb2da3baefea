/** Works the command palette, quick picks and input boxes. */
import { errors } from 'playwright-core';
import type { Page } from 'playwright-core';
import type { PageElement } from './pageElement.ts';
import { matches, pattern } from './text.ts';
import type { TextQuery } from './text.ts';
import { until } from './until.ts';

export interface QuickInputState {
  readonly title: string;
  /** The prompt or the validation message. */
  readonly message: string;
  readonly placeholder: string;
  readonly value: string;
  /** Labels of the items in view; empty for an input box. */
  readonly items: readonly string[];
}

/** Which of several quick inputs that follow each other is meant: each given text must be part of what is shown. */
export interface QuickInputQuery {
  readonly title?: TextQuery;
  readonly prompt?: string;
  readonly placeholder?: string;
}

export interface QuickInputDriver {
  /** Runs a command by its full palette label, e.g. `Thin Clones: Reset Clone`. */
  palette(command: string): Promise<void>;
  /** The labels that the palette offers for a filter text. Closes it again. */
  paletteItems(filter: string): Promise<string[]>;
  /** Waits for a quick input to be open and answers what it shows. */
  quickInput(query?: QuickInputQuery): Promise<QuickInputState>;
  /** Picks one item by its label. */
  quickPick(label: TextQuery, query?: QuickInputQuery): Promise<void>;
  /** Types the label first, for an item of a long list that is out of view. */
  typeAndPick(label: string, query?: QuickInputQuery): Promise<void>;
  /** Ticks exactly these items of a pick with check boxes and confirms. */
  quickPickMany(labels: readonly TextQuery[], query?: QuickInputQuery): Promise<void>;
  /** Fills an input box and presses Enter. Give the prompt when several boxes follow each other. */
  inputBox(value: string, query?: QuickInputQuery): Promise<void>;
  /** Fills without Enter and answers the validation message once it is there. */
  inputBoxRefusal(value: string, query?: QuickInputQuery): Promise<string>;
  cancelQuickInput(): Promise<void>;
}

/** A list that shows nothing of what was typed by then did not listen yet. */
const RETYPE_MS = 1500;

export function quickInputDriver(page: Page): QuickInputDriver {
  const widget = page.locator('.quick-input-widget');
  const input = widget.locator('.quick-input-box input.input');
  const rows = widget.locator('.quick-input-list .monaco-list-row');
  const rowLabel = '.quick-input-list-row:first-child .monaco-icon-label';

  const read = async (): Promise<QuickInputState | undefined> =>
    await page.locator('body').evaluate((body: PageElement, labelSelector) => {
      const shown = [...body.querySelectorAll('.quick-input-widget')].find(
        (element) => element.getClientRects().length > 0,
      );
      if (!shown) return undefined;
      const text = (selector: string): string => {
        const element = shown.querySelector(selector);
        return element && element.getClientRects().length > 0 ? (element.textContent ?? '') : '';
      };
      const box = shown.querySelector('.quick-input-box input.input');
      const list = shown.querySelector('.quick-input-list');
      const visible =
        (list?.getClientRects().length ?? 0) > 0
          ? [...(list?.querySelectorAll('.monaco-list-row') ?? [])]
          : [];
      return {
        title: text('.quick-input-title'),
        message: text('.quick-input-message'),
        placeholder: box?.placeholder ?? '',
        value: box?.value ?? '',
        items: visible
          .sort((a, b) => Number(a.getAttribute('data-index')) - Number(b.getAttribute('data-index')))
          .map((row) => row.querySelector(`${labelSelector} .label-name`)?.textContent ?? ''),
      };
    }, rowLabel);

  const isOpen = async (
    what: string,
    query: QuickInputQuery,
    accept: (state: QuickInputState) => boolean = () => true,
  ): Promise<QuickInputState> =>
    await until(
      what,
      async () => {
        const state = await read();
        return state && fits(state, query) && accept(state) ? state : undefined;
      },
      { seen: read },
    );

  const row = (label: TextQuery): ReturnType<Page['locator']> =>
    rows.filter({ has: page.locator(`${rowLabel} .label-name`, { hasText: pattern(label) }) }).first();

  /**
   * Types until it counts: a quick input that is just being shown or filled takes text into its box and forgets it, or has nobody
   * yet who listens.
   */
  const type = async (
    what: string,
    text: string,
    query: QuickInputQuery,
    accept: (state: QuickInputState) => boolean = () => true,
  ): Promise<QuickInputState> => {
    let typedAt = -Infinity;
    return await until(
      what,
      async () => {
        const state = await read();
        if (!state || !fits(state, query)) return undefined;
        const isTyped = state.value === text && typedAt > -Infinity;
        if (isTyped && accept(state)) return state;
        if (isTyped && Date.now() - typedAt < RETYPE_MS) return undefined;
        // Text that is there already would be no change.
        if (state.value === text) await input.fill(`${text} `);
        await input.fill(text);
        typedAt = Date.now();
        return undefined;
      },
      { seen: read },
    );
  };

  const openPalette = async (): Promise<void> => {
    // A key press is lost while the focus is in a webview or the workbench still restores, so press until it opens.
    await until('the command palette to open', async () => {
      if ((await read())?.value.startsWith('>')) return true;
      await page.keyboard.press('F1');
      try {
        await input.waitFor({ timeout: 1500 });
        return true;
      } catch (error) {
        if (!(error instanceof errors.TimeoutError)) throw error;
        await page.locator('.part.titlebar').click({ position: { x: 2, y: 2 }, force: true });
        return undefined;
      }
    });
  };

  const close = async (): Promise<void> => {
    // One Escape may go to an open notification center instead.
    await until('the quick input to close', async () => {
      if (!(await input.isVisible())) return true;
      await input.press('Escape');
      return undefined;
    });
  };

  return {
    async palette(command) {
      await openPalette();
      await type(`the command "${command}" in the palette`, `>${command}`, {}, ({ items }) =>
        items.includes(command),
      );
      await row(command).click();
    },
    async paletteItems(filter) {
      await openPalette();
      const what = `the palette to answer "${filter}"`;
      const state = await type(what, `>${filter}`, {}, ({ items }) => items.length > 0);
      await close();
      return [...state.items];
    },
    async quickInput(query = {}) {
      return await isOpen(`a quick input ${JSON.stringify(query)}`, query);
    },
    async quickPick(label, query = {}) {
      await isOpen(`the quick pick item "${String(label)}"`, query, ({ items }) =>
        items.some((item) => matches(label, item)),
      );
      await row(label).click();
    },
    async typeAndPick(label, query = {}) {
      await type(`the quick pick item "${label}"`, label, query, ({ items }) =>
        items.some((item) => matches(label, item)),
      );
      await row(label).click();
    },
    async quickPickMany(labels, query = {}) {
      const state = await isOpen(`the quick pick items ${labels.join(', ')}`, query, ({ items }) =>
        labels.every((label) => items.some((item) => matches(label, item))),
      );
      for (const item of state.items) {
        const wanted = labels.some((label) => matches(label, item));
        const box = row(item).getByRole('checkbox');
        if ((await isTicked(box)) !== wanted) await row(item).click();
      }
      await input.press('Enter');
    },
    async inputBox(value, query = {}) {
      const what = `an input box ${JSON.stringify(query)}`;
      await isOpen(what, query, ({ items }) => items.length === 0);
      // Its prompt may give way to what is wrong with the value.
      await type(`${what} to take the text`, value, {});
      await input.press('Enter');
    },
    async inputBoxRefusal(value, query = {}) {
      const before = await isOpen(
        `an input box ${JSON.stringify(query)}`,
        query,
        ({ items }) => items.length === 0,
      );
      const after = await type(`"${value}" to be refused`, value, {}, ({ message }) => {
        return message !== before.message;
      });
      return after.message;
    },
    async cancelQuickInput() {
      await close();
    },
  };
}

async function isTicked(box: ReturnType<Page['locator']>): Promise<boolean> {
  return await box.evaluate(
    (element: PageElement) => element.checked ?? element.getAttribute('aria-checked') === 'true',
  );
}

function fits(state: QuickInputState, query: QuickInputQuery): boolean {
  return (
    (query.title === undefined || matches(query.title, state.title)) &&
    (query.prompt === undefined || state.message.includes(query.prompt)) &&
    (query.placeholder === undefined || state.placeholder.includes(query.placeholder))
  );
}
