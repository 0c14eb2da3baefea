/** Chooses the PostgreSQL programs for a piece of work, from what engine/programs finds on the machine. */
import type { ClientPrograms, Located, ServerPrograms } from './programs/locate.ts';
import { fail } from '../../protocol/errors.ts';

export const OLDEST_MAJOR = 13;
export const NEWEST_MAJOR = 18;

/** Looks for a server of exactly this major version (the newest without one) and for client tools of at least it. */
export type FindPrograms = (major?: number) => Promise<{
  readonly server: Located<ServerPrograms>;
  readonly client: Located<ClientPrograms>;
}>;

/** Rejects with `programs_missing`; `purpose` says what needs it, e.g. "which the data in /srv/pg needs". */
export async function serverOf(find: FindPrograms, major: number, purpose?: string): Promise<ServerPrograms> {
  const { server } = await find(major);
  if (server.ok) return server.programs;
  const { what, searched, install } = server.missing;
  throw fail('programs_missing', {
    what: purpose === undefined ? what : `${what}, ${purpose},`,
    searched,
    install,
  });
}

/** The newest client tools; they read all older servers. Rejects with `programs_missing`. */
export async function clientTools(find: FindPrograms): Promise<ClientPrograms> {
  const { client } = await find();
  if (client.ok) return client.programs;
  throw fail('programs_missing', { ...client.missing });
}

/** The server of this version, else the next newer one that is here: a dump can be restored into a newer server. */
export async function serverAtLeast(find: FindPrograms, major: number): Promise<ServerPrograms> {
  for (let candidate = Math.max(major, OLDEST_MAJOR); candidate <= NEWEST_MAJOR; candidate += 1) {
    const { server } = await find(candidate);
    if (server.ok) return server.programs;
  }
  return await serverOf(find, major);
}
