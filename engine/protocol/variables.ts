/** The variables of a checkout: templates over the members of its environment, and their values. */
import { formatConnection } from './connectionString.ts';
import type { Connection } from './entities.ts';
import { memberNameSchema } from './ids.ts';

/** What a template may say of a member. */
export const variableFields = ['url', 'host', 'port', 'user', 'password', 'database', 'jdbc'] as const;
export type VariableField = (typeof variableFields)[number];

const fieldOf = (connection: Connection, field: VariableField): string => {
  switch (field) {
    case 'url':
      return formatConnection(connection, 'uri');
    case 'jdbc':
      return formatConnection(connection, 'jdbc');
    case 'host':
    case 'user':
    case 'password':
    case 'database':
      return connection[field];
    case 'port':
      return String(connection.port);
  }
};

const placeholder = /\{\{|\}\}|\{([^{}]*)\}/g;

/** What is wrong with a template, for people; null when nothing is. `members`: those of the environment, when they are known. */
export function templateProblem(template: string, members?: readonly string[]): string | null {
  for (const [whole, inside] of template.matchAll(placeholder)) {
    if (inside === undefined) continue;
    const at = inside.lastIndexOf('.');
    const member = inside.slice(0, Math.max(at, 0));
    const field = inside.slice(at + 1);
    if (at < 1 || !memberNameSchema.safeParse(member).success || !isField(field))
      return `${whole} is not known: write {member.field} with a field of ${variableFields.join(', ')}`;
    if (members !== undefined && !members.includes(member))
      return `${whole}: there is no member "${member}" (there are: ${members.join(', ')})`;
  }
  return null;
}

const isField = (text: string): text is VariableField => (variableFields as readonly string[]).includes(text);

/** Variables for the one or many members of an environment, when the file names none. */
export function defaultVariables(members: readonly string[]): Record<string, string> {
  const [only] = members;
  if (members.length === 1 && only !== undefined) return { DATABASE_URL: `{${only}.url}` };
  return Object.fromEntries(
    members.map((name) => [
      `${name
        .toUpperCase()
        .replaceAll(/[^A-Z0-9]/g, '_')
        .replace(/^([0-9])/, '_$1')}_URL`,
      `{${name}.url}`,
    ]),
  );
}

/**
 * The values of variables. Templates with a problem are left out; `templateProblem` tells what it is.
 * The result holds passwords: it goes into environments of processes and files that the user chose, nowhere else.
 */
export function expandVariables(
  templates: Readonly<Record<string, string>>,
  connections: readonly Connection[],
): Record<string, string> {
  const members = connections.map(({ name }) => name as string);
  const values: Record<string, string> = {};
  for (const [name, template] of Object.entries(templates)) {
    if (templateProblem(template, members) !== null) continue;
    values[name] = template.replaceAll(placeholder, (whole, inside: string | undefined) => {
      if (inside === undefined) return whole === '{{' ? '{' : '}';
      const at = inside.lastIndexOf('.');
      const connection = connections.find((each) => each.name === inside.slice(0, at));
      const field = inside.slice(at + 1);
      return connection !== undefined && isField(field) ? fieldOf(connection, field) : '';
    });
  }
  return values;
}
