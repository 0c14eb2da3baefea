/** Names a row of the tree by what it stands for, so that it stays the same row across refreshes. */

export const rowKinds = ['environment', 'clones', 'snapshots', 'clone', 'snapshot', 'host', 'note'] as const;
export type RowKind = (typeof rowKinds)[number];

/** The object that a row stands for; what VS Code hands to a command of that row. */
export interface RowReference {
  readonly kind: RowKind;
  /** A name for environments, groups and hosts; an id for clones and snapshots. */
  readonly key: string;
}

export const rowId = ({ kind, key }: RowReference): string => `${kind}:${key}`;

export function parseRowId(id: string): RowReference {
  const at = id.indexOf(':');
  const kind = rowKinds.find((candidate) => candidate === id.slice(0, at));
  if (kind === undefined) throw new Error(`Not a row of the tree: ${id}`);
  return { kind, key: id.slice(at + 1) };
}

/** The key, when `argument` is a row of one of these kinds: commands also run from the palette and from keybindings. */
export function keyOfRow(argument: unknown, ...kinds: readonly RowKind[]): string | undefined {
  if (typeof argument !== 'object' || argument === null) return undefined;
  const { kind, key } = argument as Partial<RowReference>;
  return typeof key === 'string' && kinds.some((candidate) => candidate === kind) ? key : undefined;
}
