/** Says on a page of Markdown which rows were written in a clone, and how far that is known. */
import { wordsOf } from '../../engine/protocol/engineWords.ts';
import type { CloneChanges } from '../../engine/protocol/entities.ts';
import { escaped } from './markdown.ts';

const certainty: Readonly<Record<CloneChanges['counted'], string>> = {
  all: 'Its server counted every row that was written, also by what was rolled back.',
  some: 'These are at least so many: a session has work that its server has not counted yet. Rows that were rolled back are counted, too.',
  no: `Nobody knows what was changed: the server has no count that goes back to the snapshot (${wordsOf().uncounted}, a crash, or counters that were reset).`,
};

export function changesPage(
  { counted, tables, schema }: CloneChanges,
  { clone, snapshot }: { readonly clone: string; readonly snapshot: string },
): string {
  const members = new Set(tables.map(({ member }) => member));
  const nameOf = ({ member, schema: of, name }: CloneChanges['tables'][number]): string =>
    escaped(`${members.size > 1 ? `${member}: ` : ''}${of === 'public' ? '' : `${of}.`}${name}`);
  const lines = tables.map(
    (table) => `| ${nameOf(table)} | ${table.inserted} | ${table.updated} | ${table.deleted} |`,
  );
  return [
    `# Changes in ${escaped(clone)}`,
    `Since snapshot ${escaped(snapshot)}, or its last reset.`,
    ...(lines.length === 0
      ? counted === 'all'
        ? ['No row was written.']
        : []
      : [['| Table | Inserted | Updated | Deleted |', '|---|--:|--:|--:|', ...lines].join('\n')]),
    certainty[counted],
    ...(counted === 'no'
      ? []
      : [schema ? 'Definitions were changed, perhaps only for a moment.' : 'No definition was changed.']),
  ].join('\n\n');
}
