/** Reads `thin-clones.yaml`: all its problems at once, each with line, column and what was expected. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import type * as z from 'zod';
import { configFileSchema, reservedEnvironmentKeys, reservedTopLevelKeys } from '../protocol/configFile.ts';
import {
  cloneSettingsSchema,
  environmentDefinitionSchema,
  memberDefinitionSchema,
  selectionSchema,
  type EnvironmentDefinition,
} from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { suggest } from './suggestion.ts';

export interface ConfigText {
  text: string;
  /** As it was typed: it opens every problem's line. */
  name: string;
  /** Relative paths inside the file start here. */
  directory: string;
}

/** Environments by name, with absolute paths. */
export type Environments = ReadonlyMap<string, EnvironmentDefinition>;

type Path = readonly (string | number)[];
interface Problem {
  offset: number;
  text: string;
  /** A known word of a later version, refused by name. */
  reserved: boolean;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (inside, key) => (typeof inside === 'object' && inside !== null ? Reflect.get(inside, key) : undefined),
    value,
  );

/** Where a key and its value begin in the text; for what is not there, where the nearest thing around it begins. */
function locate(document: Document, path: Path): { key: number; value: number } {
  const start = (node: unknown): number | undefined =>
    typeof node === 'object' && node !== null && 'range' in node
      ? (node as { range?: [number, number, number] | null }).range?.[0]
      : undefined;
  let node: unknown = document.contents;
  let found = { key: start(node) ?? 0, value: start(node) ?? 0 };
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!isPair(pair)) return { key: found.key, value: found.key };
      const key = start(pair.key) ?? found.key;
      found = { key, value: start(pair.value) ?? key };
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      const at = start(node) ?? found.value;
      found = { key: at, value: at };
    } else {
      return { key: found.key, value: found.key };
    }
  }
  return found;
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string')
    return value.length > 60 ? `${JSON.stringify(value.slice(0, 60))}…` : JSON.stringify(value);
  return `${typeof value} ${JSON.stringify(value)}`;
}

const typeWords: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (lines of "key: value")',
  record: 'a mapping (lines of "key: value")',
};
const oneOf = (values: readonly unknown[]): string => {
  const words = values.map(String);
  return words.length === 1 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
};
const didYouMean = (word: string, known: readonly string[]): string => {
  const meant = suggest(word, known);
  return meant === undefined ? '' : `; did you mean "${meant}"?`;
};

/** Keys that may stand in the mapping at a path, by how deep it lies. */
function knownKeys(path: Path): readonly string[] {
  switch (path.length) {
    case 0:
      return Object.keys(configFileSchema.shape);
    case 2:
      return Object.keys(environmentDefinitionSchema.shape);
    case 3:
      return Object.keys(cloneSettingsSchema.shape);
    case 4:
      return Object.keys(memberDefinitionSchema.shape);
    case 5:
      return Object.keys(selectionSchema.shape);
    default:
      return [];
  }
}

const passwordRule =
  'expected { env: NAME } or { file: PATH }, which say where the password is; the password itself never stands in this file';
const isPassword = (path: Path): boolean =>
  path.length >= 5 && path[2] === 'members' && path[4] === 'password';

type Issue = z.core.$ZodIssue;

function explain(issue: Issue, path: Path, value: unknown): string {
  const key = path.at(-1);
  if (isPassword(path)) return passwordRule;
  const found = `, found ${describe(value)}`;
  switch (issue.code) {
    case 'invalid_type': {
      const expected = `expected ${typeWords[issue.expected] ?? issue.expected}`;
      return value === undefined ? `"${String(key)}" is missing here: ${expected}` : `${expected}${found}`;
    }
    case 'invalid_value':
      if (value === undefined) return `"${String(key)}" is missing here: expected ${oneOf(issue.values)}`;
      return `expected ${oneOf(issue.values)}${found}${typeof value === 'string' ? didYouMean(value, issue.values.map(String)) : ''}`;
    case 'invalid_key':
      return `${describe(key)} can't be a name: ${issue.issues[0]?.message ?? ''}`;
    case 'invalid_format':
      return `expected ${issue.message}${found}`;
    case 'too_small':
      if (issue.origin === 'array') return 'expected at least one entry, found an empty list';
      if (issue.origin === 'string') return 'expected some text, found ""';
      return `expected ${String(issue.minimum)} or more${found}`;
    case 'too_big':
      if (issue.origin === 'string') return `expected at most ${String(issue.maximum)} characters`;
      return `expected ${String(issue.maximum)} or less${found}`;
    default:
      return issue.message;
  }
}

/** A password inside a connection URL, between user and host or as a parameter. */
const passwordInUrl = [
  /^[a-z][a-z0-9+.-]*:\/\/[^/?#@]*?:[^/?#]*@/i,
  // With a "/" or "?" in it that should have been percent-encoded: what follows the colon is no port.
  /^[a-z][a-z0-9+.-]*:\/\/[^/?#@:]*:(?![0-9]*(?:[/?#,]|$)).*@/i,
  /[?&]password=/i,
];

/** The same URL without its password, to be shown as what to write instead. */
const withoutPassword = (url: string): string =>
  url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#:@]*):.*@/i, '$1@')
    .replace(/([?&])password=[^&#]*&?/gi, '$1')
    .replace(/[?&]$/, '');

/** Which key says where the data is, for each way of retrieval. */
const placeKeys = { logical: 'url', dump: 'dump', directory: 'directory' } as const;

function memberProblems(
  member: Record<string, unknown>,
): { key: string; at: 'key' | 'value'; text: string }[] {
  const problems: ReturnType<typeof memberProblems> = [];
  const { retrieval, url } = member;
  const own =
    typeof retrieval === 'string' && retrieval in placeKeys
      ? placeKeys[retrieval as keyof typeof placeKeys]
      : undefined;
  if (own !== undefined) {
    if (member[own] === undefined)
      problems.push({
        key: own,
        at: 'key',
        text: `"${own}" is missing here: "retrieval: ${String(retrieval)}" needs it`,
      });
    for (const other of Object.values(placeKeys)) {
      if (other !== own && member[other] !== undefined)
        problems.push({
          key: other,
          at: 'key',
          text: `"${other}" does not go with "retrieval: ${String(retrieval)}": expected "${own}"`,
        });
    }
  }
  if (typeof url === 'string' && member.engine !== 'mongodb') {
    if (passwordInUrl.some((pattern) => pattern.test(url))) {
      problems.push({
        key: 'url',
        at: 'value',
        text: `the URL has a password in it: write ${withoutPassword(url)} and beside it "password: { env: NAME }" or "password: { file: PATH }"`,
      });
    } else if (!/^postgres(ql)?:\/\//i.test(url)) {
      problems.push({
        key: 'url',
        at: 'value',
        text: 'expected a URL as postgresql://user@host:port/database',
      });
    }
  }
  return problems;
}

interface Reserved {
  path: Path;
  at: 'key' | 'value';
  text: string;
}

/** Takes known words of later versions out of the value, so that the rest can be checked on its own. */
function takeReserved(root: Record<string, unknown>): Reserved[] {
  const found: Reserved[] = [];
  const takeKeys = (from: unknown, path: Path, keys: Readonly<Record<string, string>>) => {
    if (!isRecord(from)) return;
    for (const [key, meaning] of Object.entries(keys)) {
      if (!Object.hasOwn(from, key)) continue;
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the keys come from the table of reserved ones
      delete from[key];
      found.push({ path: [...path, key], at: 'key', text: `"${key}", ${meaning}` });
    }
  };
  const takeValue = (path: Path, text: string) => found.push({ path, at: 'value', text });
  takeKeys(root, [], reservedTopLevelKeys);
  for (const [name, environment] of Object.entries(isRecord(root.environments) ? root.environments : {})) {
    if (!isRecord(environment)) continue;
    const path = ['environments', name];
    takeKeys(environment, path, reservedEnvironmentKeys);
    if (typeof environment.host === 'string' && environment.host !== 'local')
      takeValue([...path, 'host'], `host "${environment.host}", hosts other than "local"`);
    for (const [memberName, member] of Object.entries(
      isRecord(environment.members) ? environment.members : {},
    )) {
      if (!isRecord(member)) continue;
      const inside = [...path, 'members', memberName];
      if (member.engine === 'mongodb') takeValue([...inside, 'engine'], '"engine: mongodb", MongoDB members');
      if (member.retrieval === 'physical')
        takeValue([...inside, 'retrieval'], '"retrieval: physical", physical retrieval');
      takeKeys(member.include, [...inside, 'include'], { collections: 'collections of MongoDB members' });
      takeKeys(member.exclude, [...inside, 'exclude'], { collections: 'collections of MongoDB members' });
    }
  }
  return found;
}

function syntaxText(code: string, message: string, text: string, offset: number): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return `${JSON.stringify(/^[^:\s]*/.exec(text.slice(offset))?.[0] ?? '')} is there twice in one mapping: expected each key once`;
    case 'TAB_AS_INDENT':
      return 'a tab is used for indentation: expected spaces';
    case 'MULTIPLE_DOCS':
      return 'a second document begins here: expected one document in the file';
    default:
      return `this is not YAML: ${(message.split('\n')[0] ?? '').replace(/^./, (letter) => letter.toLowerCase())}`;
  }
}

function issueProblems(issue: Issue, document: Document, root: unknown): Problem[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'unrecognized_keys' && !isPassword(path)) {
    return issue.keys.map((key) => {
      const known = knownKeys(path);
      const hint = didYouMean(key, known) || `: expected ${oneOf(known)}`;
      return {
        offset: locate(document, [...path, key]).key,
        text: `"${key}" is not known here${hint}`,
        reserved: false,
      };
    });
  }
  const value = valueAt(root, path);
  const place = locate(document, path);
  const offset = issue.code === 'invalid_key' ? place.key : place.value;
  return [{ offset, text: explain(issue, path, value), reserved: false }];
}

function absolute(path: string, directory: string): string {
  if (path === '~' || path.startsWith('~/')) return join(homedir(), path.slice(1));
  return isAbsolute(path) ? path : resolve(directory, path);
}

function withAbsolutePaths(definition: EnvironmentDefinition, directory: string): EnvironmentDefinition {
  const members = Object.entries(definition.members).map(([name, member]) => [
    name,
    {
      ...member,
      ...(member.directory === undefined ? {} : { directory: absolute(member.directory, directory) }),
      ...(member.dump === undefined ? {} : { dump: absolute(member.dump, directory) }),
      ...(member.password !== undefined && 'file' in member.password
        ? { password: { file: absolute(member.password.file, directory) } }
        : {}),
    },
  ]);
  return { ...definition, members: Object.fromEntries(members) as EnvironmentDefinition['members'] };
}

/** Errors: `invalid_file` with every problem; `not_supported` when all there is against it are words of later versions. */
export function parseConfig({ text, name, directory }: ConfigText): Environments {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  const problems: Problem[] = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
    offset: pos[0],
    text: syntaxText(code, message, text, pos[0]),
    reserved: false,
  }));
  const refuse = (): never => {
    const seen = new Set<string>();
    const shown = problems
      .sort((a, b) => a.offset - b.offset)
      .map((problem) => {
        const { line, col } = lines.linePos(problem.offset);
        const later = problem.reserved ? 'not supported by this version: ' : '';
        return `${name}:${line}:${col}: ${later}${problem.text}`;
      })
      .filter((line) => !seen.has(line) && seen.add(line));
    if (problems.some(({ reserved }) => !reserved))
      throw fail('invalid_file', { file: name, problems: shown });
    throw fail('not_supported', {
      feature: name,
      where: shown,
      instead: 'Remove it, or update Thin Clones when a version is there that knows it.',
    });
  };
  // What follows a broken line is guesswork; a key that is there twice breaks nothing else.
  if (document.errors.some(({ code }) => code !== 'DUPLICATE_KEY')) refuse();

  let root: unknown;
  try {
    root = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    problems.push({ offset: 0, text: `its aliases can't be resolved: ${problem}`, reserved: false });
    return refuse();
  }
  if (!isRecord(root)) {
    const text = `expected "version: 1" and "environments:" with at least one environment, found ${describe(root)}`;
    problems.push({ offset: locate(document, []).value, text, reserved: false });
    return refuse();
  }
  for (const { path, at, text: meaning } of takeReserved(root))
    problems.push({ offset: locate(document, path)[at], text: meaning, reserved: true });

  const parsed = configFileSchema.safeParse(root);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push(...issueProblems(issue, document, root));
  }
  if (isRecord(root.environments)) {
    if (Object.keys(root.environments).length === 0)
      problems.push({
        offset: locate(document, ['environments']).value,
        text: 'expected at least one environment',
        reserved: false,
      });
    for (const [environmentName, environment] of Object.entries(root.environments)) {
      const members = isRecord(environment) ? environment.members : undefined;
      for (const [memberName, member] of Object.entries(isRecord(members) ? members : {})) {
        if (!isRecord(member)) continue;
        const path = ['environments', environmentName, 'members', memberName];
        for (const { key, at, text: problem } of memberProblems(member))
          problems.push({ offset: locate(document, [...path, key])[at], text: problem, reserved: false });
      }
    }
  }
  if (problems.length > 0 || !parsed.success) return refuse();
  return new Map(
    Object.entries(parsed.data.environments).map(([environmentName, definition]) => [
      environmentName,
      withAbsolutePaths(definition, directory),
    ]),
  );
}

const largest = 1_000_000;

/** Errors: `invalid_file` also when it can't be read, is no UTF-8 text or has more than 1 MB. */
export async function readConfigFile(file: string, cwd: string): Promise<Environments> {
  const path = resolve(cwd, file);
  const refuse = (problem: string, cause?: unknown) =>
    fail('invalid_file', { file, problems: [problem] }, { cause });
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw refuse(`There is no file ${path}. Name it with -f FILE.`, error);
    throw refuse(`${path} can't be read: ${code ?? String(error)}`, error);
  }
  if (bytes.length > largest)
    throw refuse(`${basename(path)} has ${bytes.length} bytes: expected at most ${largest}`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw refuse(`${basename(path)} is no UTF-8 text`, error);
  }
  return parseConfig({ text, name: file, directory: dirname(path) });
}
