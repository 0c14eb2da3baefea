/** Colour themes of every kind, picked in a real workbench. */
import type { Workbench } from '../../support/vscode/workbench.ts';

/** The label in the theme picker, and the class that the workbench has then. */
const themes = {
  light: { label: 'Light Modern', kind: '.vs' },
  dark: { label: 'Dark Modern', kind: '.vs-dark' },
  highContrast: { label: 'Dark High Contrast', kind: '.hc-black' },
  highContrastLight: { label: 'Light High Contrast', kind: '.hc-light' },
} as const;
export type ThemeName = keyof typeof themes;

/**
 * By the picker, as people do: a changed settings file is not always noticed, and high contrast not at the start. Call it
 * when rows of ours are there: a picker that is opened before VS Code knows its own extensions stays empty.
 */
export async function pickTheme(workbench: Workbench, name: ThemeName): Promise<void> {
  const { label, kind } = themes[name];
  await workbench.palette('Preferences: Color Theme');
  await workbench.typeAndPick(label, { placeholder: 'Select Color Theme' });
  await workbench.page.locator(`.monaco-workbench${kind}`).waitFor();
}
