/** Sets checks through functions aside while rows come in, of tables and of domains: such a function may read a table that is still empty. */
import type { Client } from 'pg';
import { quoteName, quoteText } from '../quoting.ts';
import { inOneTransaction } from './inOneTransaction.ts';
import type { RestoreNote } from './restoreAgain.ts';

export interface LaterCheck {
  name: string;
  isOfDomain: boolean;
  /** The table or domain, as SQL writes it. */
  on: string;
  schema: string;
  /** The same without schema and quotes. */
  owner: string;
  definition: string;
  comment: string | null;
}

/** Functions of the server itself and of C extensions read no tables. Parents before their children, who inherit the check. */
const THROUGH_FUNCTIONS = `
  SELECT k.conname AS name, k.contypid <> 0 AS "isOfDomain",
         format('%I.%I', n.nspname, coalesce(c.relname, y.typname)) AS on, n.nspname AS schema,
         coalesce(c.relname, y.typname) AS owner,
         pg_get_constraintdef(k.oid) AS definition, obj_description(k.oid, 'pg_constraint') AS comment
  FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type y ON y.oid = k.contypid
    JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, y.typnamespace)
  WHERE k.contype = 'c' AND k.convalidated AND k.coninhcount = 0 AND EXISTS (
    SELECT FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_language l ON l.oid = p.prolang
    WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid AND d.refclassid = 'pg_proc'::regclass
      AND l.lanname NOT IN ('internal', 'c'))
  ORDER BY k.oid`;

const kindOf = ({ isOfDomain }: LaterCheck): string => (isOfDomain ? 'DOMAIN' : 'TABLE');

export async function setChecksAside(client: Client): Promise<readonly LaterCheck[]> {
  const aside: LaterCheck[] = [];
  for (;;) {
    const { rows } = await client.query<LaterCheck>(THROUGH_FUNCTIONS);
    for (const check of rows) {
      await client.query(`ALTER ${kindOf(check)} ${check.on} DROP CONSTRAINT ${quoteName(check.name)}`);
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
  for (const check of checks) {
    const { name, on, schema, definition, comment } = check;
    const kind = kindOf(check);
    const path = [...new Set([...searchPath, schema])].map(quoteName).join(', ');
    const of = check.isOfDomain ? `DOMAIN ${on}` : on;
    const add = (state: string): Promise<string | undefined> =>
      inOneTransaction(client, [
        `SET LOCAL search_path = ${path}`,
        `ALTER ${kind} ${on} ADD CONSTRAINT ${quoteName(name)} ${definition}${state}`,
        ...(comment === null
          ? []
          : [`COMMENT ON CONSTRAINT ${quoteName(name)} ON ${of} IS ${quoteText(comment)}`]),
      ]);
    const problem = await add('');
    if (problem === undefined) continue;
    const object = `check ${/^[a-z_][a-z0-9_$]*$/.test(name) ? name : quoteName(name)} on ${on}`;
    const worse = await add(' NOT VALID');
    const item = { kind: 'constraint', schema, name: `${check.owner} ${name}` };
    notes.push({
      item,
      object,
      what: worse === undefined ? 'is NOT VALID' : 'is missing',
      problem: worse ?? problem,
    });
  }
  return notes;
}
