/** Turns what a project's configuration says of its migrations into places of the checkout, and into what could not be followed. */
import { posix } from 'node:path';
import { placeOf, type CodeValue } from './codeValue.ts';
import { filesMatching } from './globs.ts';
import { foldersUpFrom, normalFolder, pathFrom, type Tree } from './tree.ts';

export interface StatedPaths {
  /** Paths or patterns, relative to the checkout. */
  readonly paths: readonly string[];
  /** Sentences without their ends. */
  readonly unread: readonly string[];
}

/** `folder` is where relative paths begin. */
export function statedPaths(
  value: CodeValue | undefined,
  where: { file: string; key: string; folder: string },
): StatedPaths {
  const { file, key, folder } = where;
  const paths: string[] = [];
  const unread: string[] = [];
  for (const each of value?.values ?? []) {
    const place = placeOf(each);
    const path = place.kind === 'relative' ? pathFrom(folder, place.path) : place.path;
    if (path === undefined || place.kind === 'outside')
      unread.push(`${file} names ${posix.basename(each)}, which is not in the checkout`);
    else paths.push(path);
  }
  if (value?.isPartly === true) unread.push(notRun(file, key));
  return { paths: [...new Set(paths)], unread };
}

export const notRun = (file: string, key: string): string =>
  `what ${key} in ${file} is, is only known when the program runs`;

/** The folder of the package that a file belongs to: programs are usually started there. */
export const packageFolder = (tree: Tree, file: string): string =>
  foldersUpFrom(posix.dirname(file)).find((folder) => tree.has(posix.join(folder, 'package.json'))) ?? '.';

/** Where the sources of a built path may lie; the path itself first. */
function sourcesOf(path: string): string[] {
  const script = path.replace(/\.js$/, '.{js,ts,cjs,mjs,cts,mts}');
  const built = /^(.*\/)?(?:dist|build|lib|out)\/(.*)$/.exec(script);
  if (built === null) return [path, script];
  const [, before = '', after = ''] = built;
  return [path, script, `${before}src/${after}`, `${before}${after}`];
}

/** Files that a pattern names, in the checkout's sources where it names what a build makes of them. */
export function sourceFiles(tree: Tree, pattern: string): string[] {
  for (const each of sourcesOf(pattern)) {
    const files = filesMatching(tree, each);
    if (files.length > 0) return files;
  }
  return [];
}

/** The folder, or the one of the sources that it is built from; undefined when neither is there. */
export function sourceFolder(tree: Tree, folder: string): string | undefined {
  const normal = normalFolder(folder);
  return sourcesOf(normal)
    .map(normalFolder)
    .find((each) => tree.hasFolder(each));
}
