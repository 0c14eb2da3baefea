/** Writes the rich text that appears when the mouse rests on a row. */
import { factsOf, type Piece } from './facts.ts';
import { escaped, oneLine } from './markdown.ts';
import type { RowReference } from './rowId.ts';
import type { TreeState } from './treeRows.ts';

const written = (piece: Piece): string =>
  typeof piece === 'string' ? escaped(oneLine(piece)) : `\`${oneLine(piece.code).replaceAll('`', "'")}\``;

/** Markdown for a row, or undefined when the label says it all. */
export function describeRow(state: TreeState, reference: RowReference): string | undefined {
  const found = factsOf(state, reference);
  if (found === undefined) return undefined;
  const lines = found.facts.map(({ name, value }) => `**${name}:** ${value.map(written).join('')}`);
  return `### ${escaped(found.title)}\n\n${lines.join('  \n')}`;
}
