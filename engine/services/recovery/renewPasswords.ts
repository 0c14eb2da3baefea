/** Clones and checkouts whose password nobody knows any more get a new one, which is as good: one for each repository. */
import type { CloneId } from '../../protocol/ids.ts';
import type { ServiceContext } from '../context.ts';
import { isReadable, repositoryPassword } from '../repositoryPassword.ts';

/** The clones whose servers are still to be told. */
export function renewPasswords(context: ServiceContext): Set<CloneId> {
  const { store, vault, log } = context;
  const renewed = new Set<CloneId>();
  for (const checkout of store.checkouts.list()) {
    if (isReadable(vault, checkout.sealedPassword)) continue;
    log.warning('a checkout gets a new password: the old one can not be read', { checkout: checkout.id });
    const sealedPassword = repositoryPassword(context, checkout.repository);
    store.checkouts.put({ ...checkout, sealedPassword });
  }
  for (const clone of store.clones.list()) {
    if (isReadable(vault, clone.sealedPassword)) continue;
    log.warning('a clone gets a new password: the old one can not be read', { clone: clone.id });
    store.clones.put({
      ...clone,
      sealedPassword: repositoryPassword(context, clone.installation === null ? clone.repository : null),
    });
    renewed.add(clone.id);
  }
  return renewed;
}
