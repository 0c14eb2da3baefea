/** The whole environment of a psql in a terminal: this login and no other. */
import type { Connection } from '../../engine/protocol/entities.ts';

/** What the extension host has for itself. */
const ownOfHost = /^(VSCODE_|ELECTRON_|NODE_OPTIONS$)/i;
/** libpq's: each of them can lead elsewhere, or demand what a clone on loopback has not. */
const ofLibpq = /^PG/i;

/**
 * Complete, because the workspace's own variables would otherwise be put over it: they lead to the current branch.
 * The password is in the environment of this one process, never in its arguments.
 */
export function psqlEnvironment(
  inherited: Readonly<Record<string, string | undefined>>,
  connection: Connection,
): Record<string, string> {
  const kept = Object.entries(inherited).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !ownOfHost.test(entry[0]) && !ofLibpq.test(entry[0]),
  );
  return {
    ...Object.fromEntries(kept),
    PGHOST: connection.host,
    PGPORT: String(connection.port),
    PGUSER: connection.user,
    PGDATABASE: connection.database,
    PGPASSWORD: connection.password,
    PGAPPNAME: 'psql (Thin Clones)',
  };
}

/** The prompt tells the clone, since all of them have the same database and user. A `%` would begin an instruction of psql. */
export const psqlArguments = (clone: string): string[] => {
  const name = clone.replaceAll('%', '%%').replaceAll('\\', '');
  return [`--set=PROMPT1=${name} %/%R%x%# `, `--set=PROMPT2=${name} %/%R%x%# `];
};
