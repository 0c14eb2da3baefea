/** Finds settings in the text of programs that are not run: string literals after a key, without comments. */
import { posix } from 'node:path';
import type { Tree } from './tree.ts';

/** Removes `//` and block comments of JavaScript, TypeScript and Java, outside of strings. */
export function withoutComments(text: string): string {
  return text.replaceAll(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*(?:[\s\S]*?\*\/|[\s\S]*$)/g,
    (_whole, literal: string | undefined) => literal ?? ' ',
  );
}

/** Removes `#` comments of Python, Ruby, YAML and properties, outside of strings on the line. */
export function withoutHashComments(text: string): string {
  return text.replaceAll(
    /("""(?:[\s\S]*?"""|[\s\S]*$)|'''(?:[\s\S]*?'''|[\s\S]*$)|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|#[^\n]*/g,
    (_whole, literal: string | undefined) => literal ?? '',
  );
}

/** More of one key than any configuration has. */
const MAX_BLOCKS = 50;

/** What stands between the braces after `key:` or `key =`, for each place where the key occurs; nested braces belong to it. */
export function blocksAfter(text: string, key: string): string[] {
  const blocks: string[] = [];
  for (const match of text.matchAll(new RegExp(`(?<![\\w$])["']?${key}["']?\\s*[:=]\\s*\\{`, 'g'))) {
    const start = match.index + match[0].length;
    if (blocks.length === MAX_BLOCKS) break;
    let depth = 1;
    let at = start;
    for (; at < text.length && depth > 0; at++) {
      if (text[at] === '{') depth += 1;
      else if (text[at] === '}') depth -= 1;
    }
    blocks.push(text.slice(start, depth === 0 ? at - 1 : at));
  }
  return blocks;
}

/** The text literals that follow `key:` or `key =`, each once, in order. A template with `${` in it is none. */
export function literalsAfter(text: string, key: string): string[] {
  const pattern = new RegExp(
    `(?<![\\w$])["']?${key}["']?\\s*[:=]\\s*(?:"([^"\\n]*)"|'([^'\\n]*)'|\`([^\`$\\n]*)\`)`,
    'g',
  );
  const found = [...text.matchAll(pattern)].map(([, a, b, c]) => a ?? b ?? c ?? '');
  return [...new Set(found)].filter((literal) => literal !== '');
}

export function literalAfter(text: string, key: string): string | undefined {
  return literalsAfter(text, key)[0];
}

export function literals(text: string): string[] {
  return [...text.matchAll(/"([^"\n]*)"|'([^'\n]*)'|`([^`$\n]*)`/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');
}

/** `key = value` lines of `.properties`, `.conf`, `.ini` and flat TOML, in lower case keys without `-` and `_`; the last one wins. */
export function properties(text: string): Map<string, string> {
  const values = new Map<string, string>();
  let section = '';
  for (const line of text.split(/\r\n|\r|\n/)) {
    if (line.length > 4000) continue;
    const heading = /^\s*\[+\s*([^\]]+?)\s*\]+/.exec(line);
    if (heading !== null) section = `${heading[1] ?? ''}.`;
    const pair = /^\s*([A-Za-z][\w.-]*)\s*[=:]\s*(.*?)\s*$/.exec(line);
    if (pair === null) continue;
    const key = `${section}${pair[1] ?? ''}`.toLowerCase().replaceAll(/[-_]/g, '');
    values.set(key, (pair[2] ?? '').replace(/^(["'])(.*)\1$/, '$2'));
  }
  return values;
}

/** Parsing takes up to 10 us for a character, and everybody else waits meanwhile: settings and changelogs written by hand are shorter. */
export const maxYamlCharacters = 300_000;

/** Files of a name that mention a dependency: `go.mod`, `Cargo.toml`. */
export async function dependencyFiles(tree: Tree, name: string, dependency: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of tree.paths.filter((each) => posix.basename(each) === name))
    if ((await tree.text(path))?.includes(dependency) === true) found.push(path);
  return found;
}
