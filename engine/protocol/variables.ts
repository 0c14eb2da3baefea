/** The variables of a checkout: templates over the members of its environment, and their values. */
import { formatConnection } from './connectionString.ts';
import type { Connection } from './entities.ts';
import { isMemberName } from './names.ts';

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
    if (at < 1 || !isMemberName(member) || !isField(field))
      return `${whole} is not known: write {member.field} with a field of ${variableFields.join(', ')}`;
    if (members !== undefined && !members.includes(member))
      return `${whole}: there is no member "${member}" (there are: ${members.join(', ')})`;
  }
  return null;
}

const isField = (text: string): text is VariableField => (variableFields as readonly string[]).includes(text);

/** The name of a member as that of a variable; several members may come to the same one. */
const upperCase = (member: string): string =>
  member
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '_')
    .replace(/^([0-9])/, '_$1');

/** 8 hexadecimal digits that follow from a text alone (FNV-1a). */
function marked(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).toUpperCase().padStart(8, '0');
}

/**
 * Variables for the one or many members of an environment, when the file names none. Of members whose names come to the same
 * variable only the one that is written like it has it; the others get a mark that follows from their names, so that none is
 * lost, and none gets another one's variable when members come, go or change places.
 */
export function defaultVariables(members: readonly string[]): Record<string, string> {
  const [only] = members;
  if (members.length === 1 && only !== undefined) return { DATABASE_URL: `{${only}.url}` };
  const variables: Record<string, string> = {};
  const isAlone = (member: string): boolean =>
    members.filter((each) => upperCase(each) === upperCase(member)).length === 1;
  const add = (member: string, name: string): void => {
    // A mark upon a mark, where a member is called as another one is marked.
    if (Object.hasOwn(variables, `${name}_URL`)) add(member, `${name}_${marked(name + member)}`);
    else variables[`${name}_URL`] = `{${member}.url}`;
  };
  const plain = members.filter((member) => isAlone(member) || member === upperCase(member).toLowerCase());
  for (const member of plain) add(member, upperCase(member));
  // By name: whose turn it is must not follow from the order in the file.
  for (const member of members.filter((each) => !plain.includes(each)).sort())
    add(member, `${upperCase(member)}_${marked(member)}`);
  return variables;
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
