/** Works out what a value in a program's configuration is without running it: literals, lists, joined paths, constants of the same file. */
import { posix } from 'node:path';
import { withoutComments } from './sourceText.ts';

/** Stands for the checkout in an absolute path; several levels, so that what leads out of it still shows. */
const LEVELS = '/@/@/@/@/@/@/@/@';

/** A path in the checkout, as code that knows its own place says it. */
const absolute = (path: string): string => (path === '.' ? LEVELS : `${LEVELS}/${path}`);

export interface CodeValue {
  /** All values that it may have. */
  readonly values: readonly string[];
  /** Something of it can only be known by running the program. */
  readonly isPartly: boolean;
}

/** Where a value that a file says leads to. */
export type Place =
  | { kind: 'checkout'; path: string }
  /** Relative to the folder in which the program is started. */
  | { kind: 'relative'; path: string }
  | { kind: 'outside'; path: string };

export function placeOf(value: string): Place {
  const path = posix.normalize(value.replaceAll('\\', '/')).replace(/(.)\/$/, '$1');
  if (path === LEVELS) return { kind: 'checkout', path: '.' };
  if (path.startsWith(`${LEVELS}/`)) return { kind: 'checkout', path: path.slice(LEVELS.length + 1) };
  return path.startsWith('/') ? { kind: 'outside', path: value } : { kind: 'relative', path };
}

/** Paths that an imported name stands for; undefined when that is not known. */
export type Imported = (name: string) => Promise<readonly string[] | undefined>;

export interface CodeFile {
  path: string;
  text: string;
  imported?: Imported;
}

/** What stands after `key:` or `key =` in a program or a JSON file; undefined where it is nowhere. */
export async function valueAfter(file: CodeFile, key: string): Promise<CodeValue | undefined> {
  if (file.text.length > MAX_TEXT) return { values: [], isPartly: file.text.includes(key) };
  const text = withoutComments(file.text);
  const pattern = new RegExp(`(?<![\\w$.])["']?${key}["']?\\s*(?:\\?\\s*)?[:=](?![=>])\\s*`, 'g');
  const found: CodeValue[] = [];
  for (const match of [...text.matchAll(pattern)].slice(0, 50)) {
    // What an object holds, or a type, is no value of the key.
    const at = match.index + match[0].length;
    if (text[at] === '{' || isDeclaredType(text, at)) continue;
    found.push(await evaluate({ ...file, text }, at, 0));
  }
  if (found.length === 0) return undefined;
  return {
    values: [...new Set(found.flatMap(({ values }) => values))],
    isPartly: found.some(({ isPartly }) => isPartly),
  };
}

const isDeclaredType = (text: string, at: number): boolean =>
  /^(?:string|boolean|number|readonly|Array<|unknown|any)\b/.test(text.slice(at, at + 12));

const unknown: CodeValue = { values: [], isPartly: true };
const MAX_DEPTH = 8;
/** More brackets in one another than anybody writes. */
const MAX_NESTED = 50;
/** Everybody else waits while it is read: configurations that people write are shorter. */
const MAX_TEXT = 300_000;
const MAX_NAMES = 500;
const MAX_VALUES = 1000;

/** Reads one expression: a program is never run, so calls are only known by name. */
async function evaluate(file: CodeFile, start: number, depth: number): Promise<CodeValue> {
  if (depth > MAX_DEPTH) return unknown;
  const cursor = openCursor(file.text, start);
  const { taken, follows } = cursor;
  let nested = 0;
  let names = 0;

  const choice = async (): Promise<CodeValue> => {
    if ((nested += 1) > MAX_NESTED) return unknown;
    const value = await whole();
    nested -= 1;
    return value;
  };
  const whole = async (): Promise<CodeValue> => {
    const first = await alternatives();
    if (!taken('?')) return first;
    const yes = await choice();
    return taken(':') ? union([yes, await choice()]) : unknown;
  };
  const alternatives = async (): Promise<CodeValue> => {
    let value = await sum();
    while (follows(/\?\?|\|\|/) !== undefined) {
      const other = await sum();
      // What the surroundings may say instead is not known to the project either.
      value = value.values.length === 0 ? other : value;
    }
    if (follows(/[!=]==?|[<>]=?|&&/) === undefined) return value;
    // A condition in front of a question mark.
    await sum();
    return unknown;
  };
  const sum = async (): Promise<CodeValue> => {
    let value = await single();
    while (taken('+')) value = product([value, await single()]);
    return value;
  };
  const list = async (end: string): Promise<CodeValue[]> => {
    const items: CodeValue[] = [];
    for (;;) {
      if (taken(end)) return items;
      taken('...');
      items.push(await choice());
      if (taken(',')) continue;
      return taken(end) ? items : [...items, unknown];
    }
  };
  const single = async (): Promise<CodeValue> => {
    const quoted = follows(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/);
    let value: CodeValue;
    if (quoted !== undefined) value = known(quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1'));
    else if (taken('`')) value = await template();
    else if (taken('[')) value = union(await list(']'));
    else if (taken('(')) {
      value = await choice();
      if (!taken(')')) return unknown;
    } else value = await named();
    follows(/as\s+(?:const|[\w$]+(?:\[\])?)|satisfies\s+[\w$]+(?:\[\])?|!(?!=)/);
    // A path or an address as text is itself; what any other method makes of a value is not known.
    const member = follows(/\??\.\s*[A-Za-z_$][\w$]*/);
    return member === undefined || /pathname|href/.test(member) ? value : { ...value, isPartly: true };
  };
  const template = async (): Promise<CodeValue> => {
    const parts: CodeValue[] = [];
    for (;;) {
      parts.push(known(cursor.plain()));
      if (cursor.ends('`')) return product(parts);
      if (!cursor.ends('${')) return unknown;
      parts.push(await choice());
      if (!taken('}')) return unknown;
    }
  };
  const named = async (): Promise<CodeValue> => {
    follows(/new(?=\s)/);
    const name = follows(/[A-Za-z_$][\w$]*(?:\s*\??\.\s*[A-Za-z_$][\w$]*)*/)?.replaceAll(/[\s?]/g, '');
    if (name === undefined || (names += 1) > MAX_NAMES) return unknown;
    return taken('(') ? called(name, await list(')')) : await valueOfName(file, name, depth);
  };
  return await choice();
}

/** A place in a text, which moves on over what is read; white space in front is passed over. */
function openCursor(text: string, start: number) {
  let at = start;
  const space = (): void => {
    while (/\s/.test(text[at] ?? '')) at += 1;
  };
  const ends = (token: string): boolean => {
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  return {
    ends,
    taken: (token: string): boolean => {
      space();
      return ends(token);
    },
    follows: (pattern: RegExp): string | undefined => {
      space();
      const sticky = new RegExp(pattern.source, 'y');
      sticky.lastIndex = at;
      const [whole] = sticky.exec(text) ?? [];
      at += whole?.length ?? 0;
      return whole;
    },
    /** The plain part of a template. */
    plain: (): string => {
      const from = at;
      while (at < text.length && text[at] !== '`' && !text.startsWith('${', at)) at += 1;
      return text.slice(from, at);
    },
  };
}

async function valueOfName(file: CodeFile, name: string, depth: number): Promise<CodeValue> {
  if (name === '__dirname' || name === 'import.meta.dirname')
    return known(absolute(posix.dirname(file.path)));
  if (name === '__filename' || name === 'import.meta.filename' || name === 'import.meta.url')
    return known(absolute(file.path));
  if (!/^[\w$]+$/.test(name)) return unknown;
  const declaration = `\\b(?:const|let|var)\\s+${name.replaceAll('$', '\\$')}\\s*(?::[^=;\\n]*)?=(?!=)\\s*`;
  const [only, ...more] = file.text.matchAll(new RegExp(declaration, 'g'));
  if (only !== undefined)
    return more.length > 0 ? unknown : await evaluate(file, only.index + only[0].length, depth + 1);
  const paths = await file.imported?.(name);
  return paths === undefined ? unknown : { values: paths.map(absolute), isPartly: false };
}

const known = (text: string): CodeValue => ({ values: [text], isPartly: false });

function union(all: readonly CodeValue[]): CodeValue {
  return {
    values: all.flatMap(({ values }) => values).slice(0, MAX_VALUES),
    isPartly: all.some(({ isPartly }) => isPartly),
  };
}

function product(parts: readonly CodeValue[], join = (one: string, other: string) => one + other): CodeValue {
  return parts.reduce((all, next) => ({
    values: all.values.flatMap((one) => next.values.map((other) => join(one, other))).slice(0, MAX_VALUES),
    isPartly: all.isPartly || next.isPartly,
  }));
}

function called(name: string, given: readonly CodeValue[]): CodeValue {
  const [first, second] = given;
  const joined = (parts: readonly CodeValue[]): CodeValue =>
    product(parts, (one, other) => (other.startsWith('/') ? other : posix.join(one, other)));
  switch (name.replace(/^(?:path|posix|path\.posix|url)\./, '')) {
    case 'join':
      return first === undefined ? unknown : product(given, (one, other) => posix.join(one, other));
    case 'resolve':
      return first === undefined ? known('.') : joined(given);
    case 'process.cwd':
    case 'cwd':
      return known('.');
    case 'dirname':
      return first === undefined
        ? unknown
        : { ...first, values: first.values.map((each) => posix.dirname(each)) };
    case 'Object.values':
    case 'fileURLToPath':
    case 'normalize':
    case 'String':
      return first ?? unknown;
    case 'URL':
      if (first === undefined) return unknown;
      return second === undefined
        ? first
        : joined([{ ...second, values: second.values.map((each) => posix.dirname(each)) }, first]);
    default:
      return unknown;
  }
}
