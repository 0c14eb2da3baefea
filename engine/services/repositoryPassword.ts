/** The password of a repository: one for all its checkouts and clones, as two checkouts may lead to one clone. */
import type { Vault } from '../ports/vault.ts';
import type { ServiceContext } from './context.ts';

/** Sealed; a new one where nothing of the repository has one that can be read, and for what is of no repository. */
export function repositoryPassword(
  { store, vault, random }: Pick<ServiceContext, 'store' | 'vault' | 'random'>,
  repository: string | null,
): string {
  // What others bound from their machines has theirs.
  const own = store.clones.list().filter(({ installation }) => installation === null);
  const ofIt = [...store.checkouts.list(), ...own].filter(
    (each) => repository !== null && each.repository === repository,
  );
  const known = ofIt.find(({ sealedPassword }) => isReadable(vault, sealedPassword));
  return known?.sealedPassword ?? vault.seal(random.password());
}

export function isReadable(vault: Vault, sealed: string): boolean {
  try {
    vault.open(sealed);
    return true;
  } catch {
    return false; // best effort: the key was lost, so the password is too
  }
}
