/** Says in a few words which files still lead to the source of an environment. */
import type { Checkout } from '../../engine/protocol/entities.ts';
import { headText } from './checkoutText.ts';

/** One variable of one file. */
export interface SourceFile {
  /** From the folder. */
  readonly file: string;
  readonly variable: string;
  /** The checkout's variables replace it where they are given. */
  readonly isReplaced: boolean;
}

/** ".env (DATABASE_URL, SHADOW_URL)" of the first file, and how many more there are. */
const namesText = (files: readonly SourceFile[]): string => {
  const [first] = files;
  const variables = files.filter(({ file }) => file === first?.file).map(({ variable }) => variable);
  const others = new Set(files.map(({ file }) => file)).size - 1;
  return `${first?.file ?? ''} (${variables.join(', ')})${others === 0 ? '' : ` and ${others} more`}`;
};

/** For a hover or a menu. */
export const sourceFilesLine = (files: readonly SourceFile[]): string | undefined =>
  files.length === 0 ? undefined : `${namesText(files)} still leads to the source`;

/** For a warning. */
export function sourceFilesText(files: readonly SourceFile[], checkout: Checkout): string {
  const next = files.some(({ isReplaced }) => isReplaced)
    ? 'Terminals that were open before do not have the variables of this branch.'
    : `The variables of this checkout have other names: ${Object.keys(checkout.variables).join(', ')}.`;
  return `${namesText(files)} leads to the source of ${checkout.environment ?? ''}: what reads it works on the real database, not on that of ${headText(checkout)}. ${next}`;
}
