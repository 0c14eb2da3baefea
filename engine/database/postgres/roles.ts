/** Carries roles from a source to a copy, by catalogs that everybody may read: so passwords never are among them. */
import type { Client } from 'pg';
import { ADMIN_ROLE, sqlState } from './admin.ts';
import { quoteName, quoteText } from './quoting.ts';

interface RoleRow {
  rolname: string;
  rolsuper: boolean;
  rolinherit: boolean;
  rolcreaterole: boolean;
  rolcreatedb: boolean;
  rolcanlogin: boolean;
  rolbypassrls: boolean;
  rolreplication: boolean;
  rolconnlimit: number;
  validuntil: string | null;
  comment: string | null;
}

interface Membership {
  granted: string;
  member: string;
  admin: boolean;
  /** Since PostgreSQL 16; null before. */
  inherit: boolean | null;
  set: boolean | null;
}

export interface SourceRoles {
  roles: readonly RoleRow[];
  memberships: readonly Membership[];
  /** `role` is null for ALTER DATABASE; `here`: for this database alone. */
  settings: readonly { role: string | null; here: boolean; settings: readonly string[] }[];
}

/** Built-in roles (pg_monitor and the like) exist everywhere; ours must not be changed by the source's idea of it. */
const isCarried = (name: string): boolean => !name.startsWith('pg_') && name !== ADMIN_ROLE;

export async function readRoles(client: Client, major: number): Promise<SourceRoles> {
  const roles = await client.query<RoleRow>(
    `SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls,
            rolreplication, rolconnlimit, rolvaliduntil::text AS validuntil,
            pg_catalog.shobj_description(oid, 'pg_authid') AS comment
     FROM pg_catalog.pg_roles ORDER BY rolname`,
  );
  const options =
    major >= 16
      ? 'bool_or(a.inherit_option) AS inherit, bool_or(a.set_option) AS set'
      : 'NULL AS inherit, NULL AS set';
  const memberships = await client.query<Membership>(
    `SELECT g.rolname AS granted, m.rolname AS member, bool_or(a.admin_option) AS admin, ${options}
     FROM pg_catalog.pg_auth_members a
     JOIN pg_catalog.pg_roles g ON g.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member
     GROUP BY 1, 2 ORDER BY 1, 2`,
  );
  const settings = await client.query<{ role: string | null; here: boolean; settings: string[] }>(
    `SELECT r.rolname AS role, s.setdatabase <> 0 AS here, s.setconfig AS settings
     FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
     WHERE (s.setdatabase = 0 AND r.rolname IS NOT NULL)
        OR (s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) AND (s.setrole = 0 OR r.rolname IS NOT NULL))`,
  );
  return {
    roles: roles.rows.filter((row) => isCarried(row.rolname)),
    memberships: memberships.rows.filter((row) => isCarried(row.member) && row.granted !== ADMIN_ROLE),
    settings: settings.rows.filter((row) => row.role === null || isCarried(row.role)),
  };
}

/** Makes what is missing; what the server here does not know (a setting, a built-in role) is told and left out. */
export async function writeRoles(
  client: Client,
  source: SourceRoles,
  database: string,
  warn: (text: string) => void,
): Promise<void> {
  const { rows } = await client.query<{ major: number }>(
    "SELECT current_setting('server_version_num')::int / 10000 AS major",
  );
  const major = rows[0]?.major ?? 0;
  for (const role of source.roles) {
    await createRole(client, role);
    if (role.comment !== null) {
      await client.query(`COMMENT ON ROLE ${quoteName(role.rolname)} IS ${quoteText(role.comment)}`);
    }
  }
  for (const membership of source.memberships) {
    const { granted, member } = membership;
    const grant = `GRANT ${quoteName(granted)} TO ${quoteName(member)}${optionsOf(membership, major)}`;
    await attempt(client, grant, (problem) =>
      warn(`Role ${member} was not made a member of ${granted}: ${problem}.`),
    );
  }
  for (const { role, here, settings } of source.settings) {
    const inDatabase = `DATABASE ${quoteName(database)}`;
    const object = role === null ? inDatabase : `ROLE ${quoteName(role)}${here ? ` IN ${inDatabase}` : ''}`;
    for (const setting of settings) {
      const statement = `ALTER ${object} SET ${settingAssignment(setting)}`;
      await attempt(client, statement, (problem) =>
        warn(`A setting of ${role === null ? 'the database' : `role ${role}`} was left out: ${problem}.`),
      );
    }
  }
}

function optionsOf({ admin, inherit, set }: Membership, major: number): string {
  if (major < 16 || inherit === null) return admin ? ' WITH ADMIN OPTION' : '';
  return ` WITH ADMIN ${String(admin)}, INHERIT ${String(inherit)}, SET ${String(set)}`;
}

async function createRole(client: Client, role: RoleRow): Promise<void> {
  const attribute = (present: boolean, name: string): string => (present ? name : `NO${name}`);
  const attributes = [
    attribute(role.rolsuper, 'SUPERUSER'),
    attribute(role.rolinherit, 'INHERIT'),
    attribute(role.rolcreaterole, 'CREATEROLE'),
    attribute(role.rolcreatedb, 'CREATEDB'),
    attribute(role.rolcanlogin, 'LOGIN'),
    attribute(role.rolbypassrls, 'BYPASSRLS'),
    attribute(role.rolreplication, 'REPLICATION'),
    `CONNECTION LIMIT ${role.rolconnlimit < -1 ? -1 : role.rolconnlimit}`,
    ...(role.validuntil === null ? [] : [`VALID UNTIL ${quoteText(role.validuntil)}`]),
  ].join(' ');
  await ensureRole(client, role.rolname, attributes);
}

/** Idempotent. Names that PostgreSQL keeps for itself (pg_...) are left out. */
export async function ensureRole(client: Client, name: string, attributes = 'NOLOGIN'): Promise<void> {
  try {
    await client.query(`CREATE ROLE ${quoteName(name)} WITH ${attributes}`);
  } catch (error) {
    // 42710: it exists. 42939: a reserved name.
    if (sqlState(error) !== '42710' && sqlState(error) !== '42939') throw error;
  }
}

/** Settings whose value is a list of names: the catalog has it quoted as a list, and SET wants one literal for each. */
const LISTS = new Set([
  'search_path',
  'temp_tablespaces',
  'local_preload_libraries',
  'session_preload_libraries',
  'shared_preload_libraries',
  'unix_socket_directories',
]);

/** From the catalog's `name=value` to `name TO 'value'`. */
export function settingAssignment(setting: string): string {
  const at = setting.indexOf('=');
  const name = setting.slice(0, at);
  const value = setting.slice(at + 1);
  const target = name
    .split('.')
    .map((part) => quoteName(part))
    .join('.');
  if (!LISTS.has(name.toLowerCase())) return `${target} TO ${quoteText(value)}`;
  const items = [...value.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]+))\s*(?:,|$)/g)].map((match) =>
    match[1] === undefined ? (match[2] ?? '').trim() : match[1].replaceAll('""', '"'),
  );
  return `${target} TO ${items.length === 0 ? "''" : items.map(quoteText).join(', ')}`;
}

async function attempt(
  client: Client,
  statement: string,
  onRefusal: (problem: string) => void,
): Promise<void> {
  try {
    await client.query(statement);
  } catch (error) {
    // A refusal by the server is told as a warning; a lost connection is not.
    if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
    onRefusal(error instanceof Error ? error.message : String(error));
  }
}
