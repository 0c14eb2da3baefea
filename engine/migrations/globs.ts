/** Finds the files of a checkout that a pattern of a tool's configuration names: `*`, `**`, `?`, `[a-z]`, `{a,b}`, `!(a)`. */
import { posix } from 'node:path';
import { normalFolder, type Tree } from './tree.ts';

/** More alternatives in braces than any configuration has. */
const MAX_PATTERNS = 100;

export const isPattern = (path: string): boolean => /[*?[\]{}]|[!@+]\(/.test(path);

/** The folder in front of the first part that is a pattern. */
export function folderOf(pattern: string): string {
  const parts = normalFolder(pattern).split('/');
  const first = parts.findIndex(isPattern);
  return normalFolder(parts.slice(0, first === -1 ? -1 : first).join('/'));
}

/** Files of the checkout that the pattern names, sorted. */
export function filesMatching(tree: Tree, pattern: string): string[] {
  const patterns = withoutBraces(normalFolder(pattern)).map((each) => new RegExp(`^${expression(each)}$`));
  return tree.filesBelow(folderOf(pattern)).filter((path) => patterns.some((each) => each.test(path)));
}

/** `a{b,c}` is `ab` and `ac`. */
function withoutBraces(pattern: string): string[] {
  const done: string[] = [];
  const open = [pattern];
  for (let next = open.pop(); next !== undefined && done.length < MAX_PATTERNS; next = open.pop()) {
    const found = /\{([^{}]*)\}/.exec(next);
    if (found === null) done.push(next);
    else {
      const [whole, inside = ''] = found;
      const before = next.slice(0, found.index);
      const after = next.slice(found.index + whole.length);
      open.push(
        ...inside
          .split(',')
          .map((each) => `${before}${each}${after}`)
          .reverse(),
      );
    }
    if (open.length > MAX_PATTERNS) return done;
  }
  return done;
}

function expression(pattern: string): string {
  return pattern
    .split('/')
    .map((part, index, parts) => {
      if (part === '**') return index === parts.length - 1 ? '.*' : '(?:[^/]+/)*';
      return `${partExpression(part)}${index === parts.length - 1 ? '' : '/'}`;
    })
    .join('');
}

function partExpression(part: string): string {
  const group = /^(.*?)([!@+?*])\(([^()]*)\)(.*)$/.exec(part);
  if (group !== null) {
    const [, before = '', kind, inside = '', after = ''] = group;
    const choices = inside.split('|').map(partExpression).join('|');
    const [head, rest] = [partExpression(before), partExpression(after)];
    if (kind === '!') return `${head}(?!(?:${choices})${rest}$)[^/]*${rest}`;
    return `${head}(?:${choices})${kind === '@' ? '' : (kind ?? '')}${rest}`;
  }
  return part.replaceAll(/\[!?[^\]]+\]|[*?]|[.+^$()|[\]\\]/g, (found) => {
    if (found === '*') return '[^/]*';
    if (found === '?') return '[^/]';
    if (found.length > 1) return found.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
    return `\\${found}`;
  });
}

/** The folder that all of the paths lie in. */
export function commonFolder(paths: readonly string[]): string {
  const [first = '.', ...others] = paths.map((path) => posix.dirname(path).split('/')).map((parts) => parts);
  if (first === '.') return '.';
  let length = first.length;
  for (const parts of others) {
    let same = 0;
    while (same < length && parts[same] === first[same]) same += 1;
    length = same;
  }
  return normalFolder(first.slice(0, length).join('/'));
}
