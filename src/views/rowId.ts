/** Names a row of the tree by what it stands for, so that it stays the same row across refreshes. */

export const rowKinds = [
  'environment',
  'clones',
  'snapshots',
  'saved',
  'clone',
  'snapshot',
  'host',
  'note',
] as const;
export type RowKind = (typeof rowKinds)[number];

/** The object that a row of one of these kinds stands for; what VS Code hands to a command of that row. */
export interface RowOf<Kind extends RowKind> {
  readonly kind: Kind;
  /** A name for environments, their groups and hosts; an id for clones and snapshots. */
  readonly key: string;
}
export type RowReference = RowOf<RowKind>;

export const rowId = ({ kind, key }: RowReference): string => `${kind}:${key}`;

export function parseRowId(id: string): RowReference {
  const at = id.indexOf(':');
  const kind = rowKinds.find((candidate) => candidate === id.slice(0, at));
  if (kind === undefined) throw new Error(`Not a row of the tree: ${id}`);
  return { kind, key: id.slice(at + 1) };
}

export function isRow<Kind extends RowKind>(value: unknown, kinds: readonly Kind[]): value is RowOf<Kind> {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, key } = value as Partial<RowReference>;
  return typeof key === 'string' && kinds.some((candidate) => candidate === kind);
}

/** The key, when the row is of one of these kinds. */
export const keyOfRow = (row: unknown, ...kinds: readonly RowKind[]): string | undefined =>
  isRow(row, kinds) ? row.key : undefined;
