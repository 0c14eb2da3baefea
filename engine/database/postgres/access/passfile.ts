/** Looks a password up as libpq does: https://www.postgresql.org/docs/current/libpq-pgpass.html */
import type { OwnFiles } from './ownFiles.ts';
import type { Machine } from '../../../machine/machine.ts';

export interface PasswordWanted {
  /** As it is written: a host, or else its address; `localhost` for a socket in its usual place. */
  host: string;
  port: number;
  database: string;
  user: string;
}

/** undefined also for a file that others may read: libpq takes no password from it, and says so. */
export async function passwordFrom(
  file: string,
  wanted: PasswordWanted,
  own: OwnFiles,
  machine: Pick<Machine, 'files' | 'platform'>,
): Promise<string | undefined> {
  const facts = await machine.files.stat(file);
  if (facts === undefined) return undefined;
  if (machine.platform !== 'win32' && facts.kind === 'file' && (facts.mode & 0o077) !== 0) return undefined;
  const text = await own.read(file);
  return text === undefined ? undefined : passwordIn(text, wanted);
}

export function passwordIn(text: string, wanted: PasswordWanted): string | undefined {
  const values = [wanted.host, String(wanted.port), wanted.database, wanted.user];
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const fields = fieldsOf(line);
    const password = fields[4];
    if (password === undefined || password === '') continue;
    if (values.every((value, index) => fields[index] === '*' || unescaped(fields[index]) === value))
      return unescaped(password);
  }
  return undefined;
}

/** Colons part four fields from the password; one with a backslash before it is a letter. */
function fieldsOf(line: string): readonly string[] {
  const match = /^((?:[^:\\]|\\.)*):((?:[^:\\]|\\.)*):((?:[^:\\]|\\.)*):((?:[^:\\]|\\.)*):(.*)$/s.exec(line);
  // A colon ends the password, too, unless it is written with a backslash.
  const password = /^(?:[^:\\]|\\.|\\$)*/s.exec(match?.[5] ?? '')?.[0];
  return match === null ? [] : [...match.slice(1, 5), password ?? ''];
}

const unescaped = (field: string | undefined): string => (field ?? '').replace(/\\(.)/gs, '$1');
