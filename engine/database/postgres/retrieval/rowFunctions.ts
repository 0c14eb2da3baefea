/** Lets the functions that every row goes through find what they name without a schema, as they do at the source. */
import type { Client } from 'pg';
import { quoteName } from '../quoting.ts';

/** Of generated columns and of domains. Those that say themselves where they look, and C functions, need nothing. */
const FOR_EVERY_ROW = `
  SELECT DISTINCT p.oid::regprocedure::text AS name, n.nspname AS schema
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
  WHERE d.refclassid = 'pg_proc'::regclass AND p.prokind = 'f' AND l.lanname NOT IN ('internal', 'c')
    AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search\\_path=%')
    AND (d.classid = 'pg_constraint'::regclass AND EXISTS (SELECT FROM pg_constraint k WHERE k.oid = d.objid AND k.contypid <> 0)
      OR d.classid = 'pg_attrdef'::regclass AND EXISTS (
        SELECT FROM pg_attrdef v JOIN pg_attribute a ON a.attrelid = v.adrelid AND a.attnum = v.adnum
        WHERE v.oid = d.objid AND a.attgenerated <> ''))
  ORDER BY 1`;

/** Resolves to the functions, which are to get back what they had. */
export async function giveSearchPath(
  client: Client,
  searchPath: readonly string[],
): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; schema: string }>(FOR_EVERY_ROW);
  for (const { name, schema } of rows) {
    // Its own schema is where its author looked first: a dump need not tell what the source's search path was.
    const path = [...new Set([...searchPath, schema])].map(quoteName).join(', ');
    await client.query(`ALTER FUNCTION ${name} SET search_path = ${path}`);
  }
  return rows.map(({ name }) => name);
}

export async function takeSearchPathBack(client: Client, functions: readonly string[]): Promise<void> {
  for (const name of functions) await client.query(`ALTER FUNCTION ${name} RESET search_path`);
}
