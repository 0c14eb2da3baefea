/** Says what is wrong with a value of thin-clones.yaml: what was expected, what was found, what was probably meant. */
import type * as z from 'zod';
import { configFileSchema } from '../protocol/configFile.ts';
import {
  cloneSettingsSchema,
  environmentDefinitionSchema,
  memberDefinitionSchema,
  selectionSchema,
} from '../protocol/entities.ts';
import { nameRule } from '../protocol/names.ts';
import { migrationSettingsSchema } from '../protocol/migrationReport.ts';
import { branchSettingsSchema, endpointSettingsSchema, workspaceSchema } from '../protocol/workspace.ts';
import type { Path } from './places.ts';
import { suggest } from './suggestion.ts';

export type Issue = z.core.$ZodIssue;

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (inside, key) => (typeof inside === 'object' && inside !== null ? Reflect.get(inside, key) : undefined),
    value,
  );

export function describe(value: unknown): string {
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

/** Keys that may stand in the mapping at a path. */
function knownKeys(path: Path): readonly string[] {
  const [section, inside] = path;
  if (section === 'workspace') {
    if (path.length === 1) return Object.keys(workspaceSchema.shape);
    if (inside === 'branches') return Object.keys(branchSettingsSchema.shape);
    if (inside === 'endpoint') return Object.keys(endpointSettingsSchema.shape);
    return inside === 'migrations' ? Object.keys(migrationSettingsSchema.shape) : [];
  }
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

/** `{orders.url}` without quotes is a mapping with one key and no value. */
function unquoted(path: Path, value: unknown): string {
  if (path[0] !== 'workspace' || path[1] !== 'variables' || !isRecord(value)) return '';
  const [[key, nothing] = [], ...more] = Object.entries(value);
  if (more.length > 0 || key === undefined || nothing !== null || !/^[\p{L}\p{N}._-]+$/u.test(key)) return '';
  return `; put it in quotes: "{${key}}"`;
}

function explain(issue: Issue, path: Path, value: unknown): string {
  const key = path.at(-1);
  if (isPassword(path)) return passwordRule;
  const found = `, found ${describe(value)}`;
  switch (issue.code) {
    case 'invalid_type': {
      const expected = `expected ${typeWords[issue.expected] ?? issue.expected}`;
      return value === undefined
        ? `"${String(key)}" is missing here: ${expected}`
        : `${expected}${found}${unquoted(path, value)}`;
    }
    case 'invalid_value':
      if (value === undefined) return `"${String(key)}" is missing here: expected ${oneOf(issue.values)}`;
      return `expected ${oneOf(issue.values)}${found}${typeof value === 'string' ? didYouMean(value, issue.values.map(String)) : ''}`;
    case 'invalid_key': {
      const [first] = issue.issues;
      if (path[0] === 'workspace' && first !== undefined) return explain(first, path, key);
      return `${describe(key)} can't be a name: ${first?.message ?? ''}`;
    }
    case 'invalid_format':
      return issue.message === nameRule
        ? `${describe(value)} can't be a name: ${nameRule}`
        : `expected ${issue.message}${found}`;
    case 'too_small':
      if (issue.origin === 'array') return 'expected at least one entry, found an empty list';
      if (issue.origin === 'string') return 'expected some text, found ""';
      return `expected ${String(issue.minimum)} or more${found}`;
    case 'too_big':
      if (issue.origin === 'string') return `expected at most ${String(issue.maximum)} characters`;
      if (issue.origin === 'array') return `expected at most ${String(issue.maximum)} entries`;
      return `expected ${String(issue.maximum)} or less${found}`;
    case 'invalid_union': {
      const kinds = issue.errors.flatMap((each) =>
        each.flatMap((inner) =>
          inner.code === 'invalid_type' ? [typeWords[inner.expected] ?? inner.expected] : [],
        ),
      );
      return kinds.length === 0 ? issue.message : `expected ${oneOf(kinds)}${found}`;
    }
    case 'custom':
      return path[0] === 'workspace' ? `expected ${issue.message}${found}` : issue.message;
    default:
      return issue.message;
  }
}

/** What is against a value that may be one of several: what is against the one whose kind it has, where one has it. */
function chosen(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const near = issue.errors.find(
    (each) => !each.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
  );
  return near === undefined
    ? [issue]
    : near.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

export interface Explained {
  path: Path;
  /** Which of both the words are about. */
  at: 'key' | 'value';
  text: string;
}

/** What an issue says to people, once for each key that is not known. */
export function explained(issue: Issue, root: unknown): Explained[] {
  const [first, ...more] = chosen(issue);
  if (first !== undefined && first !== issue)
    return [first, ...more].flatMap((each) => explained(each, root));
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'unrecognized_keys' && !isPassword(path)) {
    const known = knownKeys(path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      at: 'key',
      text: `"${key}" is not known here${didYouMean(key, known) || `: expected ${oneOf(known)}`}`,
    }));
  }
  return [
    {
      path,
      at: issue.code === 'invalid_key' ? 'key' : 'value',
      text: explain(issue, path, valueAt(root, path)),
    },
  ];
}
