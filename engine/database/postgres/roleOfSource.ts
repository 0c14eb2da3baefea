/** The role of the data that a member names as its user: that it is there, and its way in. */
import type { Client } from 'pg';
import { fail } from '../../protocol/errors.ts';
import { ADMIN_ROLE } from './admin.ts';
import { quoteName, quoteText } from './quoting.ts';

const isOurs = (name: string): boolean => name === ADMIN_ROLE || name.startsWith('pg_');

/** Rejects with `member_user` when there is no such role. `known`: all there are. */
export function checkRole(user: string | undefined, known: readonly string[]): void {
  const own = known.filter((name) => !isOurs(name));
  if (user !== undefined && !own.includes(user)) throw fail('member_user', { user, known: own });
}

/** The same, of the roles of a server. */
export async function checkRoleOf(client: Client, user: string | undefined): Promise<void> {
  if (user === undefined) return;
  const { rows } = await client.query<{ rolname: string }>(
    'SELECT rolname FROM pg_catalog.pg_roles ORDER BY NOT rolcanlogin, rolname',
  );
  checkRole(
    user,
    rows.map(({ rolname }) => rolname),
  );
}

/** It may log in, with this password, and is left as the source has it otherwise: its rights, settings and connections at a time. */
export async function giveLogin(client: Client, user: string, verifier: string): Promise<void> {
  await checkRoleOf(client, user);
  await client.query(
    `ALTER ROLE ${quoteName(user)} WITH LOGIN PASSWORD ${quoteText(verifier)} VALID UNTIL 'infinity'`,
  );
}
