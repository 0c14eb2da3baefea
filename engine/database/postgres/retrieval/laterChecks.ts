/** Sets checks through functions aside while rows come in: such a function may read a table that is still empty. */
import type { Client } from 'pg';
import { sqlState } from '../admin.ts';
import { quoteName, quoteText } from '../quoting.ts';
import type { RestoreNote } from './restoreAgain.ts';

export interface LaterCheck {
  name: string;
  /** As SQL writes it. */
  table: string;
  schema: string;
  relation: string;
  definition: string;
  comment: string | null;
}

/** Functions of the server itself and of C extensions read no tables. Parents before their children, who inherit the check. */
const THROUGH_FUNCTIONS = `
  SELECT k.conname AS name, format('%I.%I', n.nspname, c.relname) AS table, n.nspname AS schema, c.relname AS relation,
         pg_get_constraintdef(k.oid) AS definition, obj_description(k.oid, 'pg_constraint') AS comment
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE k.contype = 'c' AND k.convalidated AND k.coninhcount = 0 AND EXISTS (
    SELECT FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_language l ON l.oid = p.prolang
    WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid AND d.refclassid = 'pg_proc'::regclass
      AND l.lanname NOT IN ('internal', 'c'))
  ORDER BY k.oid`;

export async function setChecksAside(client: Client): Promise<readonly LaterCheck[]> {
  const aside: LaterCheck[] = [];
  for (;;) {
    const { rows } = await client.query<LaterCheck>(THROUGH_FUNCTIONS);
    for (const check of rows) {
      await client.query(`ALTER TABLE ${check.table} DROP CONSTRAINT ${quoteName(check.name)}`);
      aside.push(check);
    }
    // A child's own, of the same name as its parent's, shows when that is gone.
    if (rows.length === 0) return aside;
  }
}

/** With the source's search path, when everything is there; one that does not hold of the rows is for new ones only. */
export async function putChecksBack(
  client: Client,
  checks: readonly LaterCheck[],
  searchPath: readonly string[],
): Promise<readonly RestoreNote[]> {
  const notes: RestoreNote[] = [];
  for (const { name, table, schema, relation, definition, comment } of checks) {
    const path = [...new Set([...searchPath, schema])].map(quoteName).join(', ');
    const add = async (state: string): Promise<string | undefined> => {
      try {
        await client.query(`BEGIN; SET LOCAL search_path = ${path}`);
        await client.query(`ALTER TABLE ${table} ADD CONSTRAINT ${quoteName(name)} ${definition}${state}`);
        if (comment !== null) {
          await client.query(`COMMENT ON CONSTRAINT ${quoteName(name)} ON ${table} IS ${quoteText(comment)}`);
        }
        await client.query('COMMIT');
        return undefined;
      } catch (error) {
        if (!/^[0-9A-Z]{5}$/.test(sqlState(error) ?? '')) throw error;
        await client.query('ROLLBACK');
        return error instanceof Error ? error.message : String(error);
      }
    };
    const problem = await add('');
    if (problem === undefined) continue;
    const object = `check ${/^[a-z_][a-z0-9_$]*$/.test(name) ? name : quoteName(name)} on ${table}`;
    const worse = await add(' NOT VALID');
    const item = { kind: 'constraint', schema, name: `${relation} ${name}` };
    notes.push({
      item,
      object,
      what: worse === undefined ? 'is NOT VALID' : 'is missing',
      problem: worse ?? problem,
    });
  }
  return notes;
}
