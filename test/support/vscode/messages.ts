/** Reads and answers notifications and modal dialogs. */
import { errors } from 'playwright-core';
import type { Locator, Page } from 'playwright-core';
import type { QuickInputDriver } from './quickInput.ts';
import { pattern } from './text.ts';
import type { TextQuery } from './text.ts';
import { until } from './until.ts';

const TOAST_MS = 1500;
const TRY_MS = 3000;

export interface Message {
  readonly text: string;
  /** The smaller text below, of a dialog. */
  readonly detail: string;
  readonly buttons: readonly string[];
  /** Presses a button and waits until the message has gone. */
  press(button: TextQuery): Promise<void>;
  /** Waits until it has gone by itself. */
  gone(): Promise<void>;
  readonly locator: Locator;
}

export interface MessageDriver {
  /** Waits for a notification whose text contains the string or fits the pattern. */
  notification(text: TextQuery): Promise<Message>;
  /** The texts of the toasts on the screen right now. */
  notifications(): Promise<string[]>;
  clearNotifications(): Promise<void>;
  /** Waits for the modal dialog; with a text, for the one that contains it. */
  dialog(text?: TextQuery): Promise<Message>;
  dialogIsOpen(): Promise<boolean>;
}

export function messageDriver(page: Page, quickInput: QuickInputDriver): MessageDriver {
  const toasts = page.locator('.notifications-toasts.visible .notification-toast');
  const centerRows = page.locator('.notifications-center.visible .monaco-list-row');
  const rows = page.locator('.notifications-toasts.visible .monaco-list-row').or(centerRows);
  const toastText = '.notification-list-item-message';
  const dialogs = page.locator('.monaco-dialog-box');

  const message = async (
    locator: Locator,
    text: string,
    detail: string,
    buttons: string,
  ): Promise<Message> => {
    const all = locator.locator(buttons);
    return {
      locator,
      text: await locator.locator(text).innerText(),
      detail: detail === '' ? '' : (await locator.locator(detail).allInnerTexts()).join('\n'),
      buttons: (await all.allInnerTexts()).map((button) => button.trim()).filter((button) => button !== ''),
      async press(button) {
        await all.filter({ hasText: pattern(button) }).click();
        await locator.waitFor({ state: 'detached' });
      },
      async gone() {
        await locator.waitFor({ state: 'detached' });
      },
    };
  };

  const findNotification = async (text: TextQuery): Promise<Locator> => {
    const found = rows.filter({ has: page.locator(toastText, { hasText: text }) }).first();
    const openCenterAt = Date.now() + TOAST_MS;
    await until(
      `the notification ${String(text)}`,
      async () => {
        if ((await found.count()) > 0) return true;
        // VS Code shows at most three new toasts within 800 ms (notificationsToasts.ts), and a toast goes after
        // some seconds: such a notification is in the notification center only.
        if (Date.now() > openCenterAt && (await centerRows.count()) === 0) {
          const bell = page.locator('[id="status.notifications"]', {
            has: page.locator('.codicon-bell-dot'),
          });
          if ((await bell.count()) > 0) await bell.click();
          // The bell's tooltip would lie on the buttons of the lowest notification.
          await page.mouse.move(0, 0);
        }
        return undefined;
      },
      { seen: async () => await rows.locator(toastText).allInnerTexts() },
    );
    // Pinned to the element: "first" may mean another notification as soon as this one goes.
    const id = (await found.getAttribute('id')) ?? '';
    const whole = await found.locator(toastText).innerText();
    return rows
      .and(page.locator(`[id="${id}"]`))
      .filter({ has: page.locator(toastText, { hasText: whole }) });
  };

  return {
    async notification(text) {
      const buttons = '.notification-list-item-buttons-container .monaco-button';
      const first = await findNotification(text);
      const found = await message(first, toastText, '', buttons);
      return {
        ...found,
        async press(button) {
          // A toast that went by itself meanwhile is in the notification center.
          const pressed = await until(`the button ${String(button)} of "${found.text}"`, async () => {
            const now = (await first.count()) > 0 ? first : await findNotification(found.text);
            try {
              await now
                .locator(buttons)
                .filter({ hasText: pattern(button) })
                .click({ timeout: TRY_MS });
              return now;
            } catch (error) {
              if (error instanceof errors.TimeoutError) return undefined;
              throw error;
            }
          });
          await pressed.waitFor({ state: 'detached' });
        },
      };
    },
    async notifications() {
      return await toasts.locator(toastText).allInnerTexts();
    },
    async clearNotifications() {
      await quickInput.palette('Notifications: Clear All Notifications');
      await rows.first().waitFor({ state: 'detached' });
    },
    async dialog(text) {
      const box = text === undefined ? dialogs : dialogs.filter({ hasText: text });
      await box.waitFor();
      return await message(
        box,
        '.dialog-message-text',
        '.dialog-message-detail',
        '.dialog-buttons-row .monaco-button:not(.monaco-dropdown-button)',
      );
    },
    async dialogIsOpen() {
      return (await dialogs.count()) > 0;
    },
  };
}
