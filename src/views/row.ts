/** One row of the tree, whatever it stands for. */
import type { CommandArguments, CommandId } from '../commands/commandIds.ts';
import { rowId, type RowReference } from './rowId.ts';

export interface Row {
  /** Stable for as long as the object lives. */
  readonly id: string;
  readonly reference: RowReference;
  readonly label: string;
  readonly description: string;
  /** A product icon, and a theme colour for it. */
  readonly icon: { readonly id: string; readonly color?: string } | undefined;
  /** Words separated by dots, which menus look for: `clone.ready.protected`. */
  readonly context: string;
  readonly children: 'none' | 'expanded' | 'collapsed';
  /** What a screen reader says. */
  readonly spoken: string;
  /** Why it is faded: shown, but nobody knows whether it is so. */
  readonly faded: 'out of reach' | 'engine stopped' | undefined;
  /** What a click does, beside selecting it. */
  readonly command?: RowCommand;
}

/** A command with what it is given. */
export type RowCommand = {
  readonly [Id in CommandId]: { readonly id: Id; readonly subject: CommandArguments<Id> };
}[CommandId];

export const color = {
  good: 'testing.iconPassed',
  bad: 'testing.iconFailed',
  warning: 'list.warningForeground',
  faded: 'disabledForeground',
} as const;

export function row(
  parts: Omit<Row, 'id' | 'faded' | 'spoken'> & { faded?: Row['faded']; spoken?: string },
): Row {
  const { label, description } = parts;
  return {
    ...parts,
    id: rowId(parts.reference),
    faded: parts.faded,
    spoken: (parts.spoken ?? (description === '' ? label : `${label}, ${description}`)).replaceAll(
      SEPARATOR,
      ', ',
    ),
  };
}

/** To be seen; a screen reader would read out what it is, or run the parts together. */
const SEPARATOR = ' · ';

/** What is known of the parts, as one line. */
export const joined = (parts: readonly (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined && part !== '').join(SEPARATOR);
