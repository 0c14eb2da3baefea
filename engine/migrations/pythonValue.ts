/** Works out what a setting in a Python program is without running it: a literal, or a constant of the same or of an imported module. */
import { posix } from 'node:path';
import { withoutHashComments } from './sourceText.ts';
import { foldersUpFrom, pathFrom, type Tree } from './tree.ts';

const MAX_DEPTH = 8;

export async function pythonCode(tree: Tree, file: string): Promise<string> {
  return withoutHashComments((await tree.text(file)) ?? '');
}

/** The file or package of `a.b` or `.a`, seen from a module; undefined when it is not in the checkout. */
export function pythonModule(tree: Tree, from: string, name: string): string | undefined {
  const [dots = ''] = /^\.*/.exec(name) ?? [];
  const path = name.slice(dots.length).replaceAll('.', '/');
  const here = posix.dirname(from);
  const bases =
    dots === ''
      ? foldersUpFrom(here).flatMap((folder) => [folder, posix.join(folder, 'src')])
      : [pathFrom(here, '../'.repeat(dots.length - 1) || '.')].flatMap((each) => each ?? []);
  for (const base of bases) {
    const at = posix.join(base, path);
    const found = [`${at}.py`, posix.join(at, '__init__.py')].find((each) => tree.has(each));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `null`: it is said, and only known when the program runs; undefined: it is not said. */
export type PythonText = string | null | undefined;

/** The text after `name=` of a call or an assignment. */
export async function pythonText(tree: Tree, file: string, name: string): Promise<PythonText> {
  const code = await pythonCode(tree, file);
  const item = `["']${name}["']\\s*:`;
  const given = `(?<![\\w.])${name}\\s*(?::[^=\\n,]*)?=(?!=)`;
  const stated = new RegExp(`(?:${item}|${given})\\s*([^\\n]*)`).exec(code)?.[1];
  return stated === undefined ? undefined : await textOf(tree, file, stated, 0);
}

/** Of an expression in this module. */
export async function textOf(tree: Tree, file: string, expression: string, depth = 0): Promise<PythonText> {
  const literal = /^[rub]?(?:"([^"\n]*)"|'([^'\n]*)')\s*(?:[,)}]|$)/i.exec(expression);
  if (literal !== null) return literal[1] ?? literal[2] ?? '';
  if (/^None\b/.test(expression)) return undefined;
  const name = /^([A-Za-z_][\w.]*)\s*(?:[,)}]|$)/.exec(expression)?.[1];
  return name === undefined || depth > MAX_DEPTH ? null : await valueOfName(tree, file, name, depth);
}

async function valueOfName(tree: Tree, file: string, name: string, depth: number): Promise<PythonText> {
  const code = await pythonCode(tree, file);
  const [head = '', ...rest] = name.split('.');
  if (rest.length === 0) {
    const [only, ...more] = [
      ...code.matchAll(new RegExp(`^${head}\\s*(?::[^=\\n]*)?=(?!=)\\s*([^\\n]*)`, 'gm')),
    ];
    if (only !== undefined)
      return more.length > 0 ? null : await textOf(tree, file, only[1] ?? '', depth + 1);
  }
  const from = importOf(code, head);
  if (from === undefined) return null;
  // `from a import b` names a constant of a module, or a module of a package.
  const inside = pythonModule(tree, file, from.name === '' ? from.module : joined(from.module, from.name));
  const [module, wanted] =
    rest.length > 0 && inside !== undefined
      ? [inside, rest.join('.')]
      : [pythonModule(tree, file, from.module), rest.length === 0 ? from.name : null];
  return module === undefined || wanted === null || wanted === ''
    ? null
    : await valueOfName(tree, module, wanted, depth + 1);
}

const joined = (module: string, name: string): string =>
  module.endsWith('.') ? `${module}${name}` : `${module}.${name}`;

function importOf(code: string, name: string): { module: string; name: string } | undefined {
  for (const [, module = '', round, flat] of code.matchAll(
    /^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+(?:\(([^)]*)\)|([^\n]*))/gm,
  ))
    for (const item of (round ?? flat ?? '').split(',')) {
      const [, original = '', alias] = /^\s*(\w+)(?:\s+as\s+(\w+))?\s*$/.exec(item) ?? [];
      if ((alias ?? original) === name) return { module, name: original };
    }
  const whole = new RegExp(
    `^[ \\t]*import[ \\t]+(?:([\\w.]+)[ \\t]+as[ \\t]+${name}|(${name}))\\b`,
    'm',
  ).exec(code);
  const module = whole?.[1] ?? whole?.[2];
  return module === undefined ? undefined : { module, name: '' };
}

/** The modules that a module takes everything from, itself first. */
export async function withStarImports(tree: Tree, file: string): Promise<string[]> {
  const found = new Set([file]);
  for (const each of found) {
    const code = await pythonCode(tree, each);
    for (const [, module = ''] of code.matchAll(/^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+\*/gm)) {
      const next = pythonModule(tree, each, module);
      if (next !== undefined) found.add(next);
    }
  }
  return [...found];
}
