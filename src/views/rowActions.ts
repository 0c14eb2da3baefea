/** What can be done with a row, as the menus of package.json have it: pages offer the same as the tree, by the same names. */
import type { Row } from './row.ts';

export interface Manifest {
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly title: string }[];
    readonly menus: {
      readonly 'view/item/context': readonly {
        readonly command: string;
        readonly when: string;
        readonly group?: string;
      }[];
    };
  };
}

export interface RowAction {
  readonly id: string;
  readonly label: string;
}

/** Which of the conditions beside the row's own hold now. */
export type Holds = (key: string) => boolean;

function isOffered(when: string, { context }: Pick<Row, 'context'>, holds: Holds): boolean {
  return when.split(' && ').every((condition) => {
    const pattern = /^viewItem =~ \/(.*)\/$/.exec(condition)?.[1];
    if (pattern !== undefined) return new RegExp(pattern).test(context);
    return condition.startsWith('view == ') || holds(condition);
  });
}

/** By group, in the order of the menu; what has a place beside the row alone comes with what is used. */
export function rowActions(
  { contributes }: Manifest,
  row: Pick<Row, 'context'>,
  holds: Holds,
): ReadonlyMap<string, readonly RowAction[]> {
  const titles = new Map(contributes.commands.map(({ command, title }) => [command, title]));
  const isInline = (group: string): boolean => group.startsWith('inline');
  const offered = contributes.menus['view/item/context']
    .filter(({ when }) => isOffered(when, row, holds))
    .map(({ command, group = '' }) => ({ command, group, label: titles.get(command) ?? command }))
    // As VS Code sorts them.
    .toSorted(
      (a, b) =>
        Number(isInline(a.group)) - Number(isInline(b.group)) ||
        a.group.localeCompare(b.group, 'en', { numeric: true }) ||
        a.label.localeCompare(b.label),
    );
  const groups = new Map<string, RowAction[]>();
  const seen = new Set<string>();
  for (const { command, group, label } of offered) {
    if (seen.has(command)) continue;
    seen.add(command);
    const name = isInline(group) ? '1_use' : group.replace(/@.*$/, '');
    groups.set(name, [...(groups.get(name) ?? []), { id: command, label }]);
  }
  return new Map([...groups].toSorted(([a], [b]) => a.localeCompare(b)));
}
