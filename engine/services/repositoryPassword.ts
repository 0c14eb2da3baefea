/** The password of a repository: one for all its checkouts and clones, as two checkouts may lead to one clone. */
import type { Vault } from '../ports/vault.ts';
import type { ServiceContext } from './context.ts';

/** Sealed; undefined where nothing of the repository has one that can be read. */
export function knownPassword(
  { store, vault }: Pick<ServiceContext, 'store' | 'vault'>,
  repository: string | null,
): string | undefined {
  // What others bound from their machines has theirs.
  const own = store.clones.list().filter(({ installation }) => installation === null);
  const ofIt = [...store.checkouts.list(), ...own].filter(
    (each) => repository !== null && each.repository === repository,
  );
  return ofIt.find(({ sealedPassword }) => isReadable(vault, sealedPassword))?.sealedPassword;
}

/** Sealed; a new one where none is known, and for what is of no repository. */
export const repositoryPassword = (
  context: Pick<ServiceContext, 'store' | 'vault' | 'random'>,
  repository: string | null,
): string => knownPassword(context, repository) ?? context.vault.seal(context.random.password());

export function isReadable(vault: Vault, sealed: string): boolean {
  try {
    vault.open(sealed);
    return true;
  } catch {
    return false; // best effort: the key was lost, so the password is too
  }
}
