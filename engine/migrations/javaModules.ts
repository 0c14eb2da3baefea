/** Which modules of a Maven or Gradle build are on the class path of which: what a program finds there comes from all of them. */
import { posix } from 'node:path';
import { foldersUpFrom, type Tree } from './tree.ts';

const isBuildFile = (path: string): boolean =>
  /^(pom\.xml|build\.gradle(\.kts)?)$/.test(posix.basename(path));

/** Folders of modules with those that each one uses, itself included. */
export async function classPaths(tree: Tree): Promise<Map<string, ReadonlySet<string>>> {
  const texts = new Map<string, string>();
  for (const path of tree.paths.filter(isBuildFile)) {
    const folder = posix.dirname(path);
    texts.set(folder, `${texts.get(folder) ?? ''}\n${(await tree.text(path)) ?? ''}`);
  }
  const uses = new Map<string, Set<string>>();
  for (const [folder, text] of texts)
    uses.set(
      folder,
      new Set([
        folder,
        ...[...texts.keys()].filter((other) => other !== folder && isUsed(text, other, texts.get(other))),
      ]),
    );
  for (const all of uses.values())
    for (const each of all) for (const next of uses.get(each) ?? []) all.add(next);
  return uses;
}

function isUsed(text: string, folder: string, other = ''): boolean {
  const artifact = /<artifactId>\s*([^<\s]+)\s*<\/artifactId>/.exec(
    other.replaceAll(/<!--[\s\S]*?-->|<parent>[\s\S]*?<\/parent>/g, ''),
  )?.[1];
  const name = posix.basename(folder);
  const dependencies = [...text.matchAll(/<dependency>[\s\S]*?<\/dependency>/g)].map(([each]) => each);
  return (
    (artifact !== undefined &&
      dependencies.some((each) => each.replaceAll(/\s/g, '').includes(`<artifactId>${artifact}<`))) ||
    new RegExp(
      `project\\(\\s*(?:path:\\s*)?["'][\\w:.-]*:?${name.replaceAll(/[.+^$()|[\]\\{}*?]/g, '\\$&')}["']`,
    ).test(text)
  );
}

/** The module that a folder belongs to. */
export const moduleOf = (modules: ReadonlyMap<string, unknown>, folder: string): string | undefined =>
  foldersUpFrom(folder).find((up) => modules.has(up));
