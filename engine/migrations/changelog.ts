/** Reads Liquibase changelogs (XML, YAML, JSON, formatted SQL) and what they include, into change sets in order. */
import { posix } from 'node:path';
import * as yaml from 'yaml';
import * as z from 'zod';
import { parseJson } from './scriptFolders.ts';
import { maxYamlCharacters } from './sourceText.ts';
import { pathFrom, type Tree } from './tree.ts';
import { xmlTags } from './xmlTags.ts';

export interface ChangeSet {
  id: string;
  author: string;
  /** In the checkout. */
  file: string;
  /** What stands for the file's path in the database, where the changelog says so. */
  logicalPath: string | undefined;
  /** Whether it runs depends on what is said at the start: contexts, labels. */
  isConditional: boolean;
  /** Another kind of database, or `ignore`. */
  isForOthers: boolean;
  /** All of its SQL, where it is nothing else: then its checksum is known. */
  sql: string | undefined;
}

type Entry =
  | { kind: 'set'; attributes: Attributes; sql?: string | undefined }
  | { kind: 'include' | 'includeAll'; path: string; isRelative: boolean };
type Attributes = ReadonlyMap<string, string>;

export const isChangelogName = (path: string): boolean => /\.(xml|ya?ml|json|sql)$/i.test(path);

/** Undefined when the text is no changelog. */
function entriesIn(
  path: string,
  text: string,
): { entries: Entry[]; logicalPath: string | undefined } | undefined {
  if (/\.sql$/i.test(path)) return sqlEntries(text);
  if (/\.xml$/i.test(path)) return xmlEntries(text);
  return /\.json$/i.test(path) ? objectEntries(parseJson(text)) : objectEntries(parseYaml(text));
}

/** `--liquibase formatted sql`, `--changeset author:id key:value ...` */
function sqlEntries(text: string): ReturnType<typeof entriesIn> {
  const head = /^\uFEFF?\s*--\s*liquibase\s+formatted\s+sql([^\n]*)/i.exec(text);
  if (head === null) return undefined;
  const entries: Entry[] = [];
  const [, ...sections] = text.split(/^(?=[ \t]*--[ \t]*changeset[ \t])/im);
  for (const section of sections) {
    const [line = '', ...lines] = section.split(/\r\n|\r|\n/);
    const rest = line.replace(/^[ \t]*--[ \t]*changeset[ \t]+/i, '').trim();
    const parts = /^(?:"([^"]+)"|'([^']+)'|([^:\s]+)):(?:"([^"]+)"|'([^']+)'|(\S+))(.*)$/.exec(rest);
    if (parts === null) continue;
    const [, a, b, c, d, e, f, more = ''] = parts;
    const attributes = new Map(pairsIn(more));
    attributes.set('author', a ?? b ?? c ?? '').set('id', d ?? e ?? f ?? '');
    entries.push({ kind: 'set', attributes, sql: sqlOf(lines) });
  }
  return { entries, logicalPath: new Map(pairsIn(head[1] ?? '')).get('logicalFilePath') };
}

/** Undefined where a directive or a parameter has a say in what is run. */
function sqlOf(lines: readonly string[]): string | undefined {
  const rest = lines.filter((line) => !/^[ \t]*--\s*(rollback|comment)\b/i.test(line));
  const text = rest.join('\n');
  const directive =
    /^[ \t]*--[ \t]*(liquibase|property|precondition|validchecksum|ignore|changeset|rollback)/im;
  return directive.test(text) || /\$\{|\/\*\s*liquibase/i.test(text) ? undefined : text;
}

const pairsIn = (text: string): [string, string][] =>
  [...text.matchAll(/(\w+):(?:"([^"]*)"|'([^']*)'|(\S+))/g)].map(([, key = '', a, b, c]) => [
    key,
    a ?? b ?? c ?? '',
  ]);

function xmlEntries(text: string): ReturnType<typeof entriesIn> {
  const entries: Entry[] = [];
  let root: Attributes | undefined;
  for (const { name, kind, attributes } of xmlTags(text)) {
    if (kind === 'close') continue;
    if (name === 'databaseChangeLog') root ??= attributes;
    else if (name === 'changeSet') entries.push({ kind: 'set', attributes });
    else if (name === 'include' || name === 'includeAll')
      entries.push({
        kind: name,
        path: attributes.get(name === 'include' ? 'file' : 'path') ?? '',
        isRelative: attributes.get('relativeToChangelogFile') === 'true',
      });
  }
  return root === undefined ? undefined : { entries, logicalPath: root.get('logicalFilePath') };
}

const documentSchema = z.object({ databaseChangeLog: z.array(z.record(z.string(), z.unknown())) });
const plain = z.union([z.string(), z.number(), z.boolean()]);

function objectEntries(document: unknown): ReturnType<typeof entriesIn> {
  const parsed = documentSchema.safeParse(document);
  if (!parsed.success) return undefined;
  const entries: Entry[] = [];
  let logicalPath: string | undefined;
  for (const item of parsed.data.databaseChangeLog) {
    for (const [key, value] of Object.entries(item)) {
      if (key === 'logicalFilePath' && typeof value === 'string') logicalPath = value;
      if (typeof value !== 'object' || value === null) continue;
      const attributes = new Map(
        Object.entries(value).flatMap(([name, each]): [string, string][] =>
          plain.safeParse(each).success ? [[name, String(each)]] : [],
        ),
      );
      if (key === 'changeSet') entries.push({ kind: 'set', attributes });
      else if (key === 'include' || key === 'includeAll')
        entries.push({
          kind: key,
          path: attributes.get(key === 'include' ? 'file' : 'path') ?? '',
          isRelative: attributes.get('relativeToChangelogFile') === 'true',
        });
    }
  }
  return { entries, logicalPath };
}

const maxAliases = 100;

function parseYaml(text: string): unknown {
  try {
    if (text.length > maxYamlCharacters) return undefined;
    // As Liquibase reads it: an id of 1.10 is the number 1.1 there too.
    const document = yaml.parseDocument(text, { version: '1.1', logLevel: 'error' });
    if (document.errors.length > 0) return undefined;
    let aliases = 0;
    yaml.visit(document, { Alias: () => void (aliases += 1) });
    // The library goes through all of them for each of them, and everybody else waits.
    return aliases > maxAliases ? undefined : document.toJS({ maxAliasCount: maxAliases });
  } catch {
    return undefined; // best effort: what is not YAML says nothing
  }
}

export interface Changelog {
  sets: ChangeSet[];
  /** Files that were read, the first included. */
  files: ReadonlySet<string>;
  /** What it includes and could not be followed, in sentences without their ends. */
  unread: string[];
}

/** Reads a changelog and all that it includes; `roots` are folders that paths may be relative to, best first. */
export async function readChangelog(tree: Tree, first: string, roots: readonly string[]): Promise<Changelog> {
  const sets: ChangeSet[] = [];
  const files = new Set<string>();
  const unread: string[] = [];
  const read = async (file: string, isIncluded: boolean): Promise<void> => {
    if (files.has(file)) return;
    files.add(file);
    const text = await tree.text(file);
    const content = text === undefined ? undefined : entriesIn(file, text);
    if (content === undefined) {
      // A plain SQL file that is included is one change set, named by Liquibase.
      if (isIncluded && /\.sql$/i.test(file) && text !== undefined)
        sets.push({
          sql: sqlOf(text.split(/\r\n|\r|\n/)),
          id: 'raw',
          author: 'includeAll',
          file,
          logicalPath: undefined,
          isConditional: false,
          isForOthers: false,
        });
      else unread.push(`${file} can not be read as a changelog`);
      return;
    }
    for (const entry of content.entries) {
      if (entry.kind === 'set') sets.push(changeSet(entry, file, content.logicalPath));
      else for (const each of resolved(tree, file, entry, roots, unread)) await read(each, true);
    }
  };
  await read(first, false);
  return { sets, files, unread };
}

function changeSet(
  { attributes, sql }: Extract<Entry, { kind: 'set' }>,
  file: string,
  logicalPath: string | undefined,
): ChangeSet {
  const dbms = (attributes.get('dbms') ?? '')
    .split(',')
    .map((each) => each.trim().toLowerCase())
    .filter(Boolean);
  const excluded = dbms.includes('!postgresql') || dbms.includes('none');
  const chosen = dbms.filter((each) => !each.startsWith('!'));
  const conditions = ['context', 'contexts', 'contextFilter', 'labels'];
  const mayChange = ['runOnChange', 'runAlways'].some((name) => attributes.get(name) === 'true');
  return {
    sql: mayChange ? undefined : sql,
    id: attributes.get('id') ?? '',
    author: attributes.get('author') ?? '',
    file,
    logicalPath: attributes.get('logicalFilePath') ?? logicalPath,
    isConditional: conditions.some((name) => (attributes.get(name) ?? '') !== ''),
    isForOthers:
      attributes.get('ignore') === 'true' ||
      excluded ||
      (chosen.length > 0 && !chosen.includes('postgresql') && !chosen.includes('all')),
  };
}

function resolved(
  tree: Tree,
  from: string,
  entry: Extract<Entry, { path: string }>,
  roots: readonly string[],
  unread: string[],
): string[] {
  const path = entry.path
    .replace(/^classpath\*?:/, '')
    .replaceAll('\\', '/')
    .replace(/^\/+/, '');
  const bases = entry.isRelative ? [posix.dirname(from)] : [...roots, posix.dirname(from)];
  for (const base of bases) {
    const at = pathFrom(base, path);
    if (at === undefined) continue;
    if (entry.kind === 'include' && tree.has(at)) return [at];
    if (entry.kind === 'includeAll' && tree.hasFolder(at)) return tree.filesBelow(at).filter(isChangelogName);
  }
  unread.push(`${from} includes ${entry.path}, which was not found in the checkout`);
  return [];
}
