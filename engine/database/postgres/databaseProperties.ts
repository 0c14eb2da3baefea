/** Carries what a server knows of a database besides its contents: owner, rights, limit, comment, and who owns `public`. */
import type { Client } from 'pg';
import { ADMIN_ROLE, sqlState } from './admin.ts';
import { quoteName, quoteText } from './quoting.ts';

interface Grant {
  grantor: string;
  /** null: everybody. */
  grantee: string | null;
  right: string;
  grantable: boolean;
}

export interface DatabaseProperties {
  owner: string;
  limit: number;
  comment: string | null;
  /** undefined: those that every database starts with. */
  grants: readonly Grant[] | undefined;
  /** A superuser's until PostgreSQL 14, whose name is another one here; undefined where there is no such schema. */
  publicOwner: string | undefined;
}

export async function readDatabaseProperties(client: Client): Promise<DatabaseProperties | undefined> {
  const { rows } = await client.query<Omit<DatabaseProperties, 'grants'> & { grants: Grant[] | null }>(
    `SELECT pg_catalog.pg_get_userbyid(d.datdba) AS owner, d.datconnlimit AS limit,
            pg_catalog.shobj_description(d.oid, 'pg_database') AS comment,
            CASE WHEN d.datacl IS NOT NULL THEN (
              SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
                'grantor', pg_catalog.pg_get_userbyid(a.grantor),
                'grantee', CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee) END,
                'right', a.privilege_type, 'grantable', a.is_grantable)), '[]'::json)
              FROM pg_catalog.aclexplode(d.datacl) AS a) END AS grants,
            (SELECT pg_catalog.pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public') AS "publicOwner"
     FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`,
  );
  const [row] = rows;
  return row === undefined
    ? undefined
    : { ...row, grants: row.grants ?? undefined, publicOwner: row.publicOwner ?? undefined };
}

/** In a session of the copy's database, when the roles are there. A role that is not is told and passed over. */
export async function writeDatabaseProperties(
  client: Client,
  database: string,
  properties: DatabaseProperties,
  warn: (text: string) => void,
): Promise<void> {
  const name = quoteName(database);
  const { owner, limit, comment, grants, publicOwner } = properties;
  const run = async (statement: string, what: string): Promise<void> => {
    try {
      await client.query(statement);
    } catch (error) {
      if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
      warn(`${what} was left out: ${error instanceof Error ? error.message : String(error)}.`);
    }
  };
  await run(`ALTER DATABASE ${name} OWNER TO ${quoteName(owner)}`, 'The owner of the database');
  if (limit >= 0) await run(`ALTER DATABASE ${name} CONNECTION LIMIT ${limit}`, 'The connection limit');
  if (comment !== null) {
    await run(`COMMENT ON DATABASE ${name} IS ${quoteText(comment)}`, 'The comment on the database');
  }
  if (publicOwner !== undefined) await giveSchema(client, publicOwner, run);
  if (grants === undefined) return;
  await run(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC, ${quoteName(owner)}`, 'Rights on the database');
  // Who got a right with the grant option gave it on: the owner's come first.
  const inOrder = grants.toSorted(
    (one, other) => Number(one.grantor !== owner) - Number(other.grantor !== owner),
  );
  for (const { grantor, grantee, right, grantable } of inOrder) {
    const to = grantee === null ? 'PUBLIC' : quoteName(grantee);
    const option = grantable ? ' WITH GRANT OPTION' : '';
    const grant = `GRANT ${right} ON DATABASE ${name} TO ${to}${option}`;
    const statement =
      grantor === owner ? grant : `BEGIN; SET LOCAL ROLE ${quoteName(grantor)}; ${grant}; COMMIT`;
    await run(statement, `The right ${right} of ${grantee ?? 'everybody'} on the database`);
    if (grantor !== owner) await client.query('ROLLBACK');
  }
}

async function giveSchema(
  client: Client,
  owner: string,
  run: (statement: string, what: string) => Promise<void>,
): Promise<void> {
  const { rows } = await client.query<{ owner: string }>(
    "SELECT pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname = 'public'",
  );
  if (rows[0]?.owner === ADMIN_ROLE && owner !== ADMIN_ROLE)
    await run(`ALTER SCHEMA public OWNER TO ${quoteName(owner)}`, 'The owner of the schema public');
}
