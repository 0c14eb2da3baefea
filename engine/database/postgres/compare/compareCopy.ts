/** Compares a copy with what it was made of, and says what differs and why. */
import type { Client } from 'pg';
import type { Comparison, Difference } from '../../../protocol/entities.ts';
import { fail } from '../../../protocol/errors.ts';
import type { Reporter } from '../../database.ts';
import { countOf } from '../counts.ts';
import type { Archive } from '../retrieval/archive.ts';
import type { RestoreNote } from '../retrieval/restoreAgain.ts';
import type { ScriptListing } from '../retrieval/scriptListing.ts';
import type { TemporaryServer } from '../workbench.ts';
import { compareWithArchive, kindOfEntry } from './archiveInventory.ts';
import { compareInventories, differenceOf, inOneLine, type Change } from './difference.ts';
import { readInventory, readSequenceValues, type Inventory, type InventoryItem } from './inventory.ts';
import { compareRows, lacksRows, type RowCounts } from './rowCounts.ts';
import { explainBy, isAbout, LEFT_OUT, NOT_TOLD, REFERS, type RuleContext } from './rules.ts';

/** What a source has at the moment that its dump shows. */
export interface SourcePicture {
  inventory: Inventory;
  /** What its sequences gave last: before and after its rows were read, since no snapshot holds them still. */
  valuesBefore: readonly InventoryItem[];
  valuesAfter: readonly InventoryItem[];
  rows: RowCounts;
}

export type Compared = Pick<Comparison, 'objects' | 'problem'> & {
  changes: readonly Change[];
  /** Tables whose rows were compared too; undefined: what the copy was made of tells none. */
  counted?: number;
};

export async function compareWithSource(
  client: Client,
  major: number,
  source: SourcePicture,
): Promise<Compared> {
  const copy = await readInventory(client, major, { inTransaction: false });
  const values = await readSequenceValues(client, major, false);
  const compared = compareInventories(
    { ...source.inventory, items: [...source.inventory.items, ...source.valuesBefore] },
    { ...copy, items: [...copy.items, ...values] },
  );
  const { changes, counted, problem } = await compareRows(client, source.rows);
  const problems = [compared.problem, problem].filter((one) => one != null);
  return {
    ...{ objects: compared.objects, counted, changes: [...changes, ...compared.changes] },
    problem: problems.length === 0 ? null : problems.join('; '),
  };
}

export async function compareWithList(client: Client, major: number, archive: Archive): Promise<Compared> {
  const copy = await readInventory(client, major, { inTransaction: false });
  return {
    ...compareWithArchive(archive, copy),
    problem: 'a dump lists the names and owners of its objects, so no more than that is compared',
  };
}

/** Of a plain dump, which may make several databases. */
export async function compareWithScript(
  query: TemporaryServer['query'],
  major: number,
  script: { listing: ScriptListing; initial: string; databases: readonly string[] },
): Promise<Compared> {
  const { listing, initial, databases } = script;
  // Names in another encoding than ours can't be told from others.
  const told = listing.filter(({ entry }) => entry?.label.includes('\uFFFD') !== true);
  let objects = 0;
  const changes: Change[] = [];
  for (const database of databases) {
    const entries = told.flatMap((object) =>
      object.entry !== undefined && (object.database ?? initial) === database ? [object.entry] : [],
    );
    if (entries.length === 0) continue;
    const copy = await query(database, (client) => readInventory(client, major, { inTransaction: false }));
    const compared = compareWithArchive({ entries }, copy);
    objects += compared.objects;
    changes.push(...compared.changes);
  }
  const unread = listing.length - told.length;
  const more = unread === 0 ? '' : `, and none of the ${unread} whose names are not in UTF-8`;
  return {
    ...{ objects, changes },
    problem: `a plain dump tells the names and owners of its objects, so no more than that is compared${more}`,
  };
}

export const valuesByName = (values: readonly InventoryItem[]): ReadonlyMap<string, string | null> =>
  new Map(values.map(({ object, facts }) => [object, facts['value'] ?? null]));

/** So many are listed one by one; the number of all is told. */
const LISTED = 200;
const NAMED = 5;

/**
 * Tells what differs. Errors: verification_failed, when no rule explains a difference and that is not allowed.
 */
export function concludeComparison(
  compared: Compared,
  context: RuleContext,
  { report, tolerant }: { report: Reporter; tolerant: boolean },
): Comparison {
  const explain = explainBy(context);
  const found = compared.changes
    .map((change) => ({ change, difference: differenceOf(change, explain) }))
    .filter(({ difference }) => difference.rule !== NOT_TOLD);
  const differences = [
    ...found.map(({ difference }) => difference),
    ...context.notes
      .filter((note) => !found.some(({ change }) => isAbout(note, change.item)))
      .map((note) => differenceOfNote(note, context)),
  ];
  for (const { difference } of found.slice(0, LISTED)) {
    // What the restore has told is not told again.
    if (difference.rule?.startsWith(RESTORED) === true) continue;
    const { kind, object, what, rule } = difference;
    report.line(
      `Differs from the source: ${kind} ${object}: ${what}${rule === null ? '' : ` (${rule})`}.`,
      // What somebody chose is no fault of the copy.
      rule === LEFT_OUT || rule === REFERS ? 'info' : 'warning',
    );
  }
  const lacking = found.filter(({ change }) => lacksRows(change)).map(({ difference }) => difference);
  const strange = tolerant ? lacking : differences.filter(({ rule }) => rule === null);
  if (strange.length > 0) {
    const named = strange.slice(0, NAMED).map(({ kind, object, what }) => `${kind} ${object}: ${what}`);
    const more = strange.length > NAMED ? `, and ${strange.length - NAMED} more` : '';
    throw fail('verification_failed', {
      problem: `it is not what the source has, and no rule of ours explains that (${named.join('; ')}${more}).`,
    });
  }
  const { objects, problem, counted } = compared;
  const rows = counted === undefined ? '' : `, and the rows of ${countOf(counted, 'table')}`;
  report.line(
    `Compared ${countOf(objects, 'object')} with the source${rows}: ${differences.length === 0 ? 'no differences' : countOf(differences.length, 'difference')}.`,
  );
  if (problem !== null) report.line(`Not everything is compared: ${problem}.`);
  return { objects, total: differences.length, differences: differences.slice(0, LISTED), problem };
}

function differenceOfNote(
  { entry, item, object, what, problem }: RestoreNote,
  { leftOut }: RuleContext,
): Difference {
  const isPartial = leftOut.schemas.size + leftOut.relations.size > 0;
  const refers = isPartial && /does not exist|is not present in table/.test(problem ?? '');
  const kind =
    item?.kind ?? (entry === undefined ? 'collation' : (kindOfEntry(entry.kind) ?? entry.kind.toLowerCase()));
  return {
    kind,
    object: inOneLine(object),
    what,
    rule: refers ? REFERS : `${RESTORED}: ${problem ?? 'this machine lacks it'}`,
  };
}

const RESTORED = 'it could not be restored as it was';
