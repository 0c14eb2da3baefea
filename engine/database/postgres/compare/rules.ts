/** The rules by which a copy differs from its source on purpose, or because what it needs is not here. */
import { ADMIN_ROLE } from '../admin.ts';
import { SHAPING } from '../createDatabase.ts';
import { LACKS_DEFAULTS, type RestoreNote } from '../retrieval/restoreAgain.ts';
import type { Explain } from './difference.ts';
import type { InventoryItem } from './inventory.ts';
import { kindOfEntry, oneLine } from './archiveInventory.ts';
import { hasMoreRows, lacksRows } from './rowCounts.ts';

export interface RuleContext {
  /** What the definition's include and exclude leave out. */
  leftOut: { schemas: ReadonlySet<string>; relations: ReadonlySet<string> };
  /** What the restore could not bring in as it was. */
  notes: readonly RestoreNote[];
  /** What sequences gave last after the rows were read, by their names. */
  valuesAfter: ReadonlyMap<string, string | null>;
  /** What the server here refused of roles, their settings and the database itself, each told when it happened. */
  refused?: readonly string[];
  /** Major versions of both sides; undefined: the same. */
  majors?: { source: number; copy: number };
}

export function explainBy(context: RuleContext): Explain {
  const rules: readonly Explain[] = [
    everyCopy,
    (change) =>
      hasMoreRows(change) ? 'something in the database wrote more while it was restored' : undefined,
    leftOut(context.leftOut),
    ({ item }) => restored(context.notes.find((note) => isAbout(note, item))),
    ({ item }) =>
      context.notes.some((note) => note.what === 'is missing' && isTableOf(note, item))
        ? 'its table could not be restored'
        : undefined,
    ({ item, fact }) =>
      fact === 'default'
        ? restored(context.notes.find((note) => note.what === LACKS_DEFAULTS && isTableOf(note, item)))
        : undefined,
    rightsAndComments(context.notes),
    moved(context.valuesAfter),
    refusedHere(context.refused ?? []),
    ...OURS,
    otherVersion(context.majors),
  ];
  return (change) => {
    // Nothing excuses that.
    if (lacksRows(change)) return undefined;
    for (const rule of rules) {
      const explained = rule(change);
      if (explained !== undefined) return explained;
    }
    return undefined;
  };
}

/** The list of an archive has schema, name and owner in one line, and spaces may be in each. */
export function isAbout({ entry, item: noted }: RestoreNote, item: InventoryItem): boolean {
  if (item.name === null) return false;
  if (noted !== undefined)
    return noted.kind === item.kind && noted.schema === item.schema && noted.name === item.name;
  if (entry === undefined || kindOfEntry(entry.kind) !== item.kind) return false;
  const schema = item.schema === null || item.kind === 'schema' ? '-' : item.schema;
  const { owner } = item.facts;
  return owner === undefined || owner === null
    ? `${entry.label} `.startsWith(oneLine(`${schema} ${item.name} `))
    : [owner, entry.owner].some((one) => entry.label === oneLine(`${schema} ${item.name} ${one}`));
}

/** What is looked for by its own name is never a part of another one whose name begins like it. */
const RELATIONS = new Set(['table', 'view', 'materialized view']);

const isTableOf = ({ entry }: RestoreNote, { kind, schema, relation }: InventoryItem): boolean =>
  entry !== undefined &&
  schema !== null &&
  relation !== null &&
  !RELATIONS.has(kind) &&
  RELATIONS.has(kindOfEntry(entry.kind) ?? '') &&
  `${entry.label} `.startsWith(oneLine(`${schema} ${relation.slice(schema.length + 1)} `));

const restored = (note: RestoreNote | undefined): string | undefined =>
  note === undefined ? undefined : `it could not be restored as it was: ${note.problem ?? note.what}`;

export const LEFT_OUT = 'include and exclude leave it out';
export const REFERS = 'it refers to what include and exclude leave out';

const leftOut =
  ({ schemas, relations }: RuleContext['leftOut']): Explain =>
  ({ item, is, kind, fact }) => {
    if (schemas.size === 0 && relations.size === 0) return undefined;
    const inside =
      (item.schema !== null && schemas.has(item.schema)) ||
      (item.relation !== null && relations.has(item.relation));
    if (inside) return LEFT_OUT;
    const refers = is === 'missing' || kind === 'publication' || fact === 'of column' || kind === 'setting';
    return refers && kind !== 'role' && kind !== 'table' && kind !== 'sequence value' ? REFERS : undefined;
  };

const rightsAndComments =
  (notes: readonly RestoreNote[]): Explain =>
  ({ kind, item, fact }) => {
    const wanted = kind === 'comment' ? /^COMMENT$/ : fact === 'rights' ? /^(?:DEFAULT )?ACL$/ : undefined;
    const note = notes.find(
      ({ entry }) =>
        entry !== undefined && wanted?.test(entry.kind) === true && entry.schema === (item.schema ?? ''),
    );
    return restored(note);
  };

/** No snapshot holds a sequence still: what it gives while rows are read is past or ahead of them. */
const moved =
  (after: RuleContext['valuesAfter']): Explain =>
  ({ kind, item, fact, source, copy }) => {
    if (kind !== 'sequence value' || fact !== 'value') return undefined;
    if (source === 'unknown' || copy === 'unknown') return 'the source does not let its value be read';
    const last = after.get(item.object);
    if (last === undefined || last === source) return undefined;
    return 'the source went on while it was read';
  };

const OF_THE_SERVER = new Set(['setting', 'membership', 'role', 'database']);

const refusedHere =
  (refused: readonly string[]): Explain =>
  ({ kind }) =>
    OF_THE_SERVER.has(kind) && refused.length > 0
      ? `the server here refused it or what it needs: ${refused.join(' ')}`
      : undefined;

/** Of the copy's own version each definition and right is written as that one does. */
const otherVersion =
  (majors: RuleContext['majors']): Explain =>
  ({ is }) =>
    majors !== undefined && majors.source !== majors.copy && is === 'changed'
      ? `PostgreSQL ${majors.copy} has it otherwise than PostgreSQL ${majors.source}`
      : undefined;

/** Of what every copy has: our own role, and the settings of the source's whole server, which its database has here. */
export const NOT_TOLD = 'every copy has it';

/** Asked before all other rules: what is chosen to be left out is no reason for any of these. */
const everyCopy: Explain = ({ kind, item, is }) => {
  const isOwnRole = kind === 'role' && item.object === ADMIN_ROLE;
  const isServerSetting =
    kind === 'setting' &&
    is !== 'missing' &&
    SHAPING.some((name) => item.object === `${name} of the database`);
  return isOwnRole || isServerSetting ? NOT_TOLD : undefined;
};

const OURS: readonly Explain[] = [
  ({ kind }) => (kind === 'subscription' ? 'a clone must not call the publisher of production' : undefined),
  ({ kind, item, is }) =>
    kind === 'schema' && item.object === 'public' && is === 'changed'
      ? 'every database begins with this schema'
      : undefined,
  ({ kind, item }) =>
    kind === 'comment' && item.object.startsWith('extension ') ? 'the extension brings it along' : undefined,
  ({ kind, fact }) =>
    kind === 'database' && (fact === 'collate' || fact === 'ctype')
      ? 'this machine has not the collation of the source'
      : undefined,
  ({ kind, fact }) =>
    kind === 'extension' && fact === 'version'
      ? 'it is the version that the server here brings along'
      : undefined,
  ({ kind, item, is }) =>
    kind === 'index' && is === 'missing' && item.facts['valid'] === 'false'
      ? 'an index that is not valid is no part of a dump'
      : undefined,
  ({ kind, fact }) =>
    kind === 'constraint' && fact === 'enabled'
      ? 'a dump does not tell that its checks are switched off'
      : undefined,
];
