/** Finds the roles that an SQL script refers to, so that they exist before it runs. */
import { ADMIN_ROLE } from '../admin.ts';
import type { Workbench } from '../workbench.ts';

const STATEMENTS =
  '^(ALTER .* OWNER TO |GRANT |REVOKE |ALTER DEFAULT PRIVILEGES |CREATE POLICY |SET SESSION AUTHORIZATION |CREATE SCHEMA .* AUTHORIZATION |CREATE USER MAPPING FOR )';

/** A line of data that looks like such a statement only makes a role too many, one without rights and login. */
export async function findRoleNames(bench: Workbench, script: string): Promise<readonly string[]> {
  const names = new Set<string>();
  await bench.machine.run(
    {
      program: 'grep',
      args: ['-aE', '-m', '100000', STATEMENTS, '--', script],
      env: { LC_ALL: 'C' },
      parse: () => undefined,
    },
    {
      signal: bench.signal,
      onStdoutLine: (line) => {
        if (line.length < 10_000) for (const name of rolesOf(line)) names.add(name);
      },
    },
  );
  return [...names].filter((name) => name !== ADMIN_ROLE && !name.startsWith('pg_')).sort();
}

const NAME = String.raw`"(?:[^"]|"")+"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*`;
const LIST = String.raw`(?:${NAME})(?:, *(?:${NAME}))*`;
const PLACES = [
  new RegExp(`^ALTER .* OWNER TO (${NAME});`, 'u'),
  new RegExp(
    `^(?:GRANT|ALTER DEFAULT PRIVILEGES).* TO (${LIST})(?: WITH [^;]*)?(?: GRANTED BY [^;]*)?;`,
    'u',
  ),
  new RegExp(`^(?:REVOKE|ALTER DEFAULT PRIVILEGES).* FROM (${LIST})(?: CASCADE| RESTRICT)?;`, 'u'),
  new RegExp(`^ALTER DEFAULT PRIVILEGES FOR ROLE (${LIST}) `, 'u'),
  new RegExp(` GRANTED BY (${NAME});`, 'u'),
  new RegExp(`^CREATE POLICY .* TO (${LIST})(?: USING| WITH|;)`, 'u'),
  new RegExp(`^SET SESSION AUTHORIZATION (${NAME}|'(?:[^']|'')+');`, 'u'),
  new RegExp(`^CREATE SCHEMA .* AUTHORIZATION (${NAME});`, 'u'),
  new RegExp(`^CREATE USER MAPPING FOR (${NAME}) `, 'u'),
];

export function rolesOf(statement: string): readonly string[] {
  return PLACES.flatMap((place) => {
    const list = place.exec(statement)?.[1];
    if (list === undefined) return [];
    return [...list.matchAll(new RegExp(`${NAME}|'(?:[^']|'')+'`, 'gu'))].map(([name]) => unquote(name));
  }).filter((name) => !/^(?:public|current_user|session_user|current_role)$/i.test(name));
}

function unquote(name: string): string {
  if (name.startsWith('"')) return name.slice(1, -1).replaceAll('""', '"');
  if (name.startsWith("'")) return name.slice(1, -1).replaceAll("''", "'");
  return name.toLowerCase();
}
