/** Finds what differs between two inventories, and says by which rule each difference was to be expected. */
import type { Difference } from '../../../protocol/entities.ts';
import { columnsOf, type Inventory, type InventoryItem } from './inventory.ts';

/** One difference before a rule was looked for. */
export interface Change {
  kind: string;
  item: InventoryItem;
  /** `changed`: in one fact. */
  is: 'missing' | 'added' | 'changed';
  fact?: string;
  source?: string | null;
  copy?: string | null;
}

/** The rule that explains a change, or undefined. */
export type Explain = (change: Change) => string | undefined;

/** `problem`: why something could not be compared; null: everything was. */
export function compareInventories(
  source: Inventory,
  copy: Inventory,
): { objects: number; changes: readonly Change[]; problem: string | null } {
  const unread = new Map([...source.unread, ...copy.unread]);
  const changes = findChanges(
    source.items.filter(({ kind }) => !unread.has(kind)),
    copy.items.filter(({ kind }) => !unread.has(kind)),
    { source: source.major, copy: copy.major },
  );
  return {
    objects: source.items.length,
    changes,
    problem:
      unread.size === 0
        ? null
        : [...unread]
            .map(([kind, reason]) => `objects of the kind ${kind} can't be compared: ${reason}`)
            .join('; '),
  };
}

export const differenceOf = (change: Change, explain: Explain): Difference => ({
  kind: change.kind,
  object: inOneLine(change.item.object),
  what: inOneLine(whatChanged(change)),
  rule: explain(change) ?? null,
});

/** A name may hold anything, also what would end a line or change a terminal. */
export const inOneLine = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f]/g, (character) => JSON.stringify(character).slice(1, -1));

interface Majors {
  source: number;
  copy: number;
}

export function findChanges(
  source: readonly InventoryItem[],
  copy: readonly InventoryItem[],
  majors: Majors,
): readonly Change[] {
  const there = new Map(copy.map((item) => [keyOf(item), item]));
  const changes: Change[] = [];
  for (const item of source) {
    const found = there.get(keyOf(item));
    there.delete(keyOf(item));
    if (found === undefined) changes.push({ kind: item.kind, item, is: 'missing' });
    else if (item.facts['*'] === undefined) changes.push(...changedFacts(item, found, majors));
    else if (item.facts['*'] !== found.facts['*'])
      changes.push(...findChanges(columnsOf(item), columnsOf(found), majors));
  }
  for (const item of there.values()) changes.push({ kind: item.kind, item, is: 'added' });
  return changes;
}

const keyOf = ({ kind, object }: InventoryItem): string => `${kind}\n${object}`;

/** Texts that a server makes of what it has parsed: each version has its own way of writing them. */
const DEPARSED = new Set([
  'definition',
  'default',
  'arguments',
  'using',
  'with check',
  'body',
  'partition bound',
]);

function changedFacts(source: InventoryItem, copy: InventoryItem, majors: Majors): Change[] {
  return Object.keys(source.facts).flatMap((fact): Change[] => {
    const [before, after] = [source.facts[fact], copy.facts[fact]];
    if (before === undefined || after === undefined) return [];
    if (majors.source !== majors.copy && DEPARSED.has(fact) && before !== null && after !== null) return [];
    if (comparable(fact, before, majors) === comparable(fact, after, majors)) return [];
    return [{ kind: source.kind, item: source, is: 'changed', fact, source: before, copy: after }];
  });
}

/** MAINTAIN is a right of its own since PostgreSQL 17; "all rights" has it there. */
function comparable(fact: string, value: string | null, { source, copy }: Majors): string | null {
  if (fact !== 'rights' || value === null || source >= 17 === copy >= 17) return value;
  return value.replace(/=(\w*)m(\w*)\//g, '=$1$2/');
}

const LONG = 120;

function whatChanged({ is, fact = '', source, copy }: Change): string {
  if (is === 'missing') return 'is missing';
  if (is === 'added') return 'is there in the copy only';
  return `${fact}: ${shown(copy)} instead of ${shown(source)}`;
}

const shown = (value: string | null | undefined): string =>
  value === null || value === undefined ? 'none' : value.length > LONG ? `${value.slice(0, LONG)}...` : value;
