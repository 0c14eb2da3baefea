/** Passwords of sources: given on stdin, read from where the file says they are, or asked for at the terminal. */
import { readFile } from 'node:fs/promises';
import type { EnvironmentDefinition, MemberDefinition, SecretReference } from '../protocol/entities.ts';
import { fail, isFailure, type ThinClonesError } from '../protocol/errors.ts';
import type { Session } from './session.ts';

export type Passwords = Record<string, string>;

const describe = (reference: SecretReference): string =>
  'env' in reference ? `the environment variable ${reference.env}` : `the file ${reference.file}`;

/** Undefined when the place is empty or missing. */
async function read(
  reference: SecretReference,
  variables: Session['surroundings']['variables'],
): Promise<string | undefined> {
  if ('env' in reference) return variables[reference.env];
  try {
    return (await readFile(reference.file, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR') return undefined;
    throw error;
  }
}

/** Only a source that is reached over the network has a password. */
const wantsPassword = (member: MemberDefinition): boolean => member.retrieval === 'logical';

/** By member: what was given counts more than a reference, which may be empty. Errors: `source_password_missing`. */
export async function knownPasswords(
  session: Session,
  { members }: EnvironmentDefinition,
  given: Readonly<Passwords> = {},
): Promise<Passwords> {
  const found: Passwords = {};
  for (const [name, member] of Object.entries(members)) {
    if (!wantsPassword(member)) continue;
    const typed = given[name];
    if (typed !== undefined) found[name] = typed;
    if (typed !== undefined || member.password === undefined) continue;
    const password = await read(member.password, session.surroundings.variables);
    if (password === undefined || password === '')
      throw fail('source_password_missing', { member: name, reference: describe(member.password) });
    found[name] = password;
  }
  return found;
}

const passwordCodes = ['source_password', 'source_password_missing'] as const;
export const isAboutPassword = (error: unknown): error is ThinClonesError =>
  passwordCodes.some((code) => isFailure(error, code));

/** Asks without echo. Errors: `source_password_missing` when nobody can be asked or nothing was typed. */
export async function askPassword(
  { prompter }: Session,
  environment: string,
  member: string,
  definition: MemberDefinition,
): Promise<string> {
  const missing = fail('source_password_missing', { member, reference: null });
  if (!prompter.available) throw missing;
  const where = definition.url === undefined ? '' : ` (${definition.url})`;
  const password = await prompter.ask(`Password of ${environment}/${member}${where}: `, { hidden: true });
  if (password === '') throw missing;
  return password;
}
