/** Asks what of a source is copied: everything, some schemas, or all but its largest tables. */
import * as vscode from 'vscode';
import type { MemberDefinition, SourceReport } from '../../engine/protocol/entities.ts';
import { pickValue } from '../dialogs/pick.ts';
import { exactPattern } from '../sources/tablePatterns.ts';
import { countOf, sizeOf } from '../views/amounts.ts';

/** A copy of less is a matter of moments: nobody is asked about its tables. */
const worthAsking = 100_000_000;
/** More are no help to somebody who looks for the large ones. */
const mostTables = 50;

type Table = SourceReport['tables'][number];
type Way = 'everything' | 'schemas' | 'tables';

/** Undefined when it was left. A source without a list of tables is taken as a whole. */
export async function chooseTables(
  title: string,
  member: MemberDefinition,
  tables: readonly Table[],
): Promise<MemberDefinition | undefined> {
  const schemas = schemasOf(tables);
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const isChoice = schemas.size > 1 || (tables.length > 1 && bytes >= worthAsking);
  if (member.retrieval !== 'logical' || !isChoice) return member;
  const [largest] = bySize(tables);
  const way = await pickValue<Way>(
    [
      {
        label: '$(database) Everything',
        description: `${countOf(tables.length, 'table')}, ${sizeOf(bytes)}`,
        value: 'everything',
      },
      ...(schemas.size < 2
        ? []
        : [
            {
              label: '$(list-selection) Choose schemas…',
              description: `${schemas.size} schemas`,
              value: 'schemas' as const,
            },
          ]),
      {
        label: '$(exclude) Leave out large tables…',
        description:
          largest === undefined
            ? ''
            : `the largest: ${largest.schema}.${largest.name}, ${sizeOf(largest.bytes)}`,
        value: 'tables',
      },
    ],
    { title, placeHolder: 'What should be copied?' },
  );
  switch (way) {
    case undefined:
      return undefined;
    case 'everything':
      return member;
    case 'schemas':
      return await chooseSchemas(title, member, schemas);
    case 'tables':
      return await leaveOutTables(title, member, tables);
  }
}

const bySize = (tables: readonly Table[]): Table[] => tables.toSorted((a, b) => b.bytes - a.bytes);

function schemasOf(tables: readonly Table[]): Map<string, { tables: number; bytes: number }> {
  const schemas = new Map<string, { tables: number; bytes: number }>();
  for (const { schema, bytes } of tables) {
    const known = schemas.get(schema) ?? { tables: 0, bytes: 0 };
    schemas.set(schema, { tables: known.tables + 1, bytes: known.bytes + bytes });
  }
  return schemas;
}

async function chooseSchemas(
  title: string,
  member: MemberDefinition,
  schemas: ReadonlyMap<string, { tables: number; bytes: number }>,
): Promise<MemberDefinition | undefined> {
  const chosen = await vscode.window.showQuickPick(
    [...schemas].map(([label, known]) => ({
      label,
      description: `${countOf(known.tables, 'table')}, ${sizeOf(known.bytes)}`,
      picked: label === 'public',
    })),
    { title, placeHolder: 'Which schemas should be copied?', canPickMany: true, ignoreFocusOut: true },
  );
  if (chosen === undefined) return undefined;
  if (chosen.length === 0 || chosen.length === schemas.size) return member;
  return { ...member, include: { schemas: chosen.map(({ label }) => exactPattern(label)) } };
}

/** The largest first; none is ticked, so that Enter alone leaves nothing out. */
async function leaveOutTables(
  title: string,
  member: MemberDefinition,
  tables: readonly Table[],
): Promise<MemberDefinition | undefined> {
  const chosen = await vscode.window.showQuickPick(
    bySize(tables)
      .slice(0, mostTables)
      .map(({ schema, name, bytes, rows }) => ({
        label: `${schema}.${name}`,
        description: [sizeOf(bytes), rows === null ? '' : `about ${countOf(rows, 'row')}`]
          .filter((part) => part !== '')
          .join(', '),
        pattern: exactPattern(schema, name),
      })),
    {
      ...{ title, placeHolder: 'Which tables should be left out, with all their rows?' },
      ...{ canPickMany: true, ignoreFocusOut: true },
    },
  );
  if (chosen === undefined) return undefined;
  if (chosen.length === 0) return member;
  return { ...member, exclude: { tables: chosen.map(({ pattern }) => pattern) } };
}
