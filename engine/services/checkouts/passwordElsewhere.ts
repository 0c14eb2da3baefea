/** Finds a repository's password again at its clones on other hosts, when this machine has lost it with its state. */
import type { Log } from '../../ports/log.ts';
import { toFailure } from '../../protocol/errors.ts';
import { clonesOfRepository, type Hosts } from './hosts.ts';

/** As we make them: it goes into files and variables, and another host may answer anything. */
const ours = /^[A-Za-z0-9_-]{8,200}$/;

/** Undefined where no host that is reached has a clone of it. */
export async function passwordElsewhere(
  hosts: Hosts,
  repository: string,
  log: Log,
): Promise<string | undefined> {
  for (const at of hosts.all()) {
    if (at.host === null || at.outOfReach() !== undefined) continue;
    const [clone] = clonesOfRepository(at, repository);
    if (clone === undefined) continue;
    try {
      const password = await at.passwordOf(clone);
      if (password !== undefined && ours.test(password)) return password;
    } catch (error) {
      // best effort: its clones get a new password when the checkout uses them
      log.info('a password is not found again', { host: at.host, problem: toFailure(error).message });
    }
  }
  return undefined;
}
