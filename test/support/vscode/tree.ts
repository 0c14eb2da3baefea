/** Reads and works the trees of the side bar. */
import { errors } from 'playwright-core';
import type { Locator, Page } from 'playwright-core';
import type { PageElement } from './pageElement.ts';
import { matches, pattern, startsWith } from './text.ts';
import type { TextQuery } from './text.ts';
import { until } from './until.ts';

export interface TreeRow {
  readonly label: string;
  readonly description: string;
  /** 1 for a root. */
  readonly level: number;
  /** undefined for a row that cannot be expanded. */
  readonly expanded: boolean | undefined;
  /** What a screen reader says. */
  readonly ariaLabel: string;
  readonly selected: boolean;
}

/** One label, or labels from an ancestor down to the row (levels may be left out): `['shop', 'feature/a']`. */
export type RowQuery = TextQuery | readonly TextQuery[];

export interface TreeDriver {
  /** The rows that are scrolled into view, in order, of all views in the open container. */
  treeRows(): Promise<TreeRow[]>;
  waitForRow(row: RowQuery): Promise<TreeRow>;
  waitForNoRow(row: RowQuery): Promise<void>;
  /** Waits until the rows look right; the error shows the rows that were there. */
  waitForRows(what: string, accept: (rows: readonly TreeRow[]) => boolean): Promise<TreeRow[]>;
  expandRow(row: RowQuery): Promise<void>;
  collapseRow(row: RowQuery): Promise<void>;
  clickRow(row: RowQuery): Promise<void>;
  /** Answers the text of the tooltip. */
  hoverRow(row: RowQuery): Promise<string>;
  /** Titles of the inline actions that the row shows when the mouse is over it. */
  inlineActions(row: RowQuery): Promise<string[]>;
  inlineAction(row: RowQuery, title: string): Promise<void>;
  /** Labels of the row's context menu, top level, separators left out. Closes it again. */
  contextMenuItems(row: RowQuery): Promise<string[]>;
  /** An array walks submenus: `['Copy As', 'JDBC']`. */
  contextMenu(row: RowQuery, item: TextQuery | readonly TextQuery[]): Promise<void>;
}

interface FoundRow extends TreeRow {
  readonly id: string;
}

const ROWS = '.part.sidebar .pane-body .monaco-list-row[role="treeitem"]';
const TRY_MS = 3000;

export function treeDriver(page: Page): TreeDriver {
  const read = async (): Promise<FoundRow[]> =>
    await page.locator(ROWS).evaluateAll((rows: PageElement[]) =>
      rows
        .map((row) => {
          const expanded = row.getAttribute('aria-expanded');
          return {
            id: row.id,
            // Rows keep no order in the DOM: the list recycles their elements while it scrolls.
            order: [
              row.closest('.split-view-view')?.getBoundingClientRect().top ?? 0,
              Number(row.getAttribute('data-index')),
            ],
            label: row.querySelector('.label-name')?.textContent ?? '',
            description: row.querySelector('.label-description')?.textContent ?? '',
            level: Number(row.getAttribute('aria-level')),
            expanded: expanded === null ? undefined : expanded === 'true',
            ariaLabel: row.getAttribute('aria-label') ?? '',
            selected: row.getAttribute('aria-selected') === 'true',
          };
        })
        .sort((a, b) => (a.order[0] ?? 0) - (b.order[0] ?? 0) || (a.order[1] ?? 0) - (b.order[1] ?? 0))
        .map(({ order: _, ...row }) => row),
    );

  const treeRows = async (): Promise<TreeRow[]> => (await read()).map(({ id: _, ...row }) => row);
  const labels = async (): Promise<string[]> =>
    (await read()).map((row) => `${'  '.repeat(row.level - 1)}${row.label} | ${row.description}`);

  const find = async (query: RowQuery): Promise<FoundRow> =>
    await until(`the tree row ${describe(query)}`, async () => findRow(await read(), query), {
      seen: labels,
    });

  /** Acts on the row, looking it up again when the tree was refreshed in between and the action could not start. */
  const act = async (
    query: RowQuery,
    action: (row: Locator, found: FoundRow) => Promise<void>,
  ): Promise<void> => {
    await until(
      `the tree row ${describe(query)} to take an action`,
      async () => {
        const found = await find(query);
        const name = page.locator('.label-name', { hasText: pattern(found.label) });
        try {
          await action(page.locator(`[id="${found.id}"]`).filter({ has: name }), found);
          return true;
        } catch (error) {
          if (error instanceof errors.TimeoutError) return undefined;
          throw error;
        }
      },
      { seen: labels },
    );
  };

  const setExpanded = async (query: RowQuery, wanted: boolean): Promise<void> => {
    const verb = wanted ? 'expand' : 'collapse';
    if ((await find(query)).expanded === undefined) {
      throw new Error(`The tree row ${describe(query)} has no children to ${verb}.`);
    }
    await act(query, async (row, found) => {
      if (found.expanded !== wanted) await row.locator('.monaco-tl-twistie').click({ timeout: TRY_MS });
    });
    await until(
      `the tree row ${describe(query)} to ${verb}`,
      async () => (findRow(await read(), query)?.expanded === wanted ? true : undefined),
      { seen: labels },
    );
  };

  const menuItems = page.locator('.monaco-menu .action-item:not(.disabled) .action-menu-item');

  const openMenu = async (query: RowQuery): Promise<void> => {
    await act(query, async (row) => {
      await row.click({ button: 'right', timeout: TRY_MS });
      await menuItems.first().waitFor({ timeout: TRY_MS });
    });
  };

  return {
    treeRows,
    async waitForRow(query) {
      const { id: _, ...row } = await find(query);
      return row;
    },
    async waitForNoRow(query) {
      await until(
        `the tree row ${describe(query)} to go`,
        async () => (findRow(await read(), query) ? undefined : true),
        { seen: labels },
      );
    },
    async waitForRows(what, accept) {
      return await until(
        what,
        async () => {
          const rows = await treeRows();
          return accept(rows) ? rows : undefined;
        },
        { seen: labels },
      );
    },
    async expandRow(query) {
      await setExpanded(query, true);
    },
    async collapseRow(query) {
      await setExpanded(query, false);
    },
    async clickRow(query) {
      await act(query, async (row) => await row.locator('.label-name').click({ timeout: TRY_MS }));
    },
    async hoverRow(query) {
      const hover = page.locator('.monaco-hover:not(.hidden)', { hasText: /\S/ });
      await page.mouse.move(0, 0);
      await act(query, async (row) => {
        await row.locator('.label-name').hover({ timeout: TRY_MS });
        await hover.last().waitFor({ timeout: TRY_MS });
      });
      return await hover.last().innerText();
    },
    async inlineActions(query) {
      let titles: string[] = [];
      await act(query, async (row) => {
        await row.hover({ timeout: TRY_MS });
        titles = await row
          .locator('.actions .action-label')
          .evaluateAll((actions: PageElement[]) =>
            actions.map((action) => action.getAttribute('aria-label') ?? ''),
          );
      });
      return titles;
    },
    async inlineAction(query, title) {
      await act(query, async (row) => {
        await row.hover({ timeout: TRY_MS });
        const action = row.locator('.actions .action-label').and(page.locator(startsWith(title)));
        await action.click({ timeout: TRY_MS });
      });
    },
    async contextMenuItems(query) {
      await openMenu(query);
      const items = await menuItems.locator('.action-label').allInnerTexts();
      await page.keyboard.press('Escape');
      await menuItems.first().waitFor({ state: 'detached' });
      return items.map((item) => item.trim()).filter((item) => item !== '');
    },
    async contextMenu(query, item) {
      await openMenu(query);
      for (const [index, step] of asPath(item).entries()) {
        const entry = menuItems.filter({
          has: page.locator('.action-label', { hasText: pattern(step) }),
        });
        // A menu ignores clicks in its first 100 ms (the end of the right click), keys work at once.
        await entry.hover();
        if (index < asPath(item).length - 1) await page.keyboard.press('ArrowRight');
      }
      await page.keyboard.press('Enter');
      await page.locator('.monaco-menu').first().waitFor({ state: 'detached' });
    },
  };
}

function asPath<T extends TextQuery>(query: T | readonly T[]): readonly T[] {
  return Array.isArray(query) ? (query as readonly T[]) : [query as T];
}

function describe(query: RowQuery): string {
  return asPath(query).map(String).join(' > ');
}

function findRow(rows: readonly FoundRow[], query: RowQuery): FoundRow | undefined {
  const path = asPath(query);
  const ancestors: FoundRow[] = [];
  for (const row of rows) {
    // A row that is just being drawn has no level yet.
    while (ancestors.length > 0 && (ancestors.at(-1)?.level ?? 0) >= row.level) ancestors.pop();
    if (fits([...ancestors, row], path)) return row;
    ancestors.push(row);
  }
  return undefined;
}

/** The last of `path` names the last of `line`, the others name some of its ancestors in the same order. */
function fits(line: readonly FoundRow[], path: readonly TextQuery[]): boolean {
  const [last, ...above] = path.toReversed();
  const row = line.at(-1);
  if (!row || last === undefined || !matches(last, row.label)) return false;
  const rest = line.slice(0, -1);
  for (const query of above) {
    const at = rest.findLastIndex((ancestor) => matches(query, ancestor.label));
    if (at < 0) return false;
    rest.length = at;
  }
  return true;
}
