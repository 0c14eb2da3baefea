/** Compares a copy with the list of an archive, which tells of each object its name and owner. */
import type { Archive, ArchiveEntry } from '../retrieval/archive.ts';
import type { Change } from './difference.ts';
import type { Inventory, InventoryItem } from './inventory.ts';

const KINDS: Readonly<Record<string, string>> = {
  SCHEMA: 'schema',
  TABLE: 'table',
  'FOREIGN TABLE': 'table',
  VIEW: 'view',
  'MATERIALIZED VIEW': 'materialized view',
  'MATERIALIZED VIEW DATA': 'materialized view',
  SEQUENCE: 'sequence',
  INDEX: 'index',
  CONSTRAINT: 'constraint',
  'CHECK CONSTRAINT': 'constraint',
  'FK CONSTRAINT': 'constraint',
  FUNCTION: 'function',
  PROCEDURE: 'function',
  AGGREGATE: 'function',
  TYPE: 'type',
  DOMAIN: 'type',
  TRIGGER: 'trigger',
  POLICY: 'policy',
  RULE: 'rule',
  STATISTICS: 'statistics object',
  COLLATION: 'collation',
  EXTENSION: 'extension',
  'EVENT TRIGGER': 'event trigger',
  PUBLICATION: 'publication',
  'FOREIGN DATA WRAPPER': 'foreign-data wrapper',
  SERVER: 'foreign server',
  'PROCEDURAL LANGUAGE': 'language',
  'TEXT SEARCH CONFIGURATION': 'text search configuration',
  'TEXT SEARCH DICTIONARY': 'text search dictionary',
};

/** Undefined: such entries are no objects that are compared. */
export const kindOfEntry = (kind: string): string | undefined => KINDS[kind];

/** As the list writes names. */
export const oneLine = (text: string): string => text.replaceAll(/[\r\n]/g, ' ');

export function compareWithArchive(
  archive: Pick<Archive, 'entries'>,
  copy: Inventory,
): { objects: number; changes: readonly Change[] } {
  const there = new Map<string, InventoryItem>();
  for (const item of copy.items) {
    if (item.name === null) continue;
    const schema = item.schema === null || item.kind === 'schema' ? '-' : oneLine(item.schema);
    there.set(`${item.kind}\n${schema} ${oneLine(item.name)}`, item);
  }
  const changes: Change[] = [];
  let objects = 0;
  for (const entry of archive.entries) {
    const kind = kindOfEntry(entry.kind);
    if (kind === undefined || entry.kind === 'MATERIALIZED VIEW DATA' || copy.unread.has(kind)) continue;
    // A view that something hangs on in a circle is made empty first, and gets its query as a rule of this name.
    if (kind === 'rule' && / _RETURN(?: |$)/.test(entry.label)) continue;
    objects += 1;
    const found = findItem(there, kind, entry);
    if (found === undefined) {
      const { name } = entry;
      const schema = entry.schema === '' ? null : entry.schema;
      const relation = schema === null ? null : `${schema}.${entry.name.split(' ')[0] ?? ''}`;
      const object = schema === null ? name : `${schema}.${name}`;
      changes.push({ kind, is: 'missing', item: { kind, object, schema, relation, name, facts: {} } });
    } else if (found.item.facts['owner'] !== undefined && found.owner !== '' && kind !== 'extension') {
      const { item, owner } = found;
      if (oneLine(item.facts['owner'] ?? '') !== owner)
        changes.push({
          kind,
          is: 'changed',
          fact: 'owner',
          source: owner,
          copy: item.facts['owner'] ?? null,
          item,
        });
    }
  }
  return { objects, changes };
}

/** The list separates schema, name and owner by spaces, which each of them may have: what is there decides. */
function findItem(
  there: ReadonlyMap<string, InventoryItem>,
  kind: string,
  { label }: ArchiveEntry,
): { item: InventoryItem; owner: string } | undefined {
  for (let end = label.length; end > 0; end = label.lastIndexOf(' ', end - 1)) {
    const item = there.get(`${kind}\n${label.slice(0, end)}`);
    if (item !== undefined) return { item, owner: label.slice(end + 1) };
  }
  return undefined;
}
