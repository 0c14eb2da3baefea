/** Where the programs may lie that travel with us, in an installed extension and in a checkout. */
import { join } from 'node:path';

/**
 * Folders of trees, each of which has a manifest; the first that has any counts. `codeDirectory` is where the running code lies
 * (`import.meta.dirname`): `dist` or `dist/engine-chunks` of a bundle, a folder of `engine` in a checkout.
 */
export function bundledPlaces(
  codeDirectory: string,
  machine: { readonly platform: string; readonly arch: string },
): readonly string[] {
  const development = join('.cache', 'programs', `${machine.platform}-${machine.arch}`);
  return [
    join(codeDirectory, 'programs'),
    join(codeDirectory, '..', 'programs'),
    join(codeDirectory, '..', development),
    join(codeDirectory, '..', '..', development),
  ];
}
