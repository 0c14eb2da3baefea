/** Finds a service in the files that libpq reads: https://www.postgresql.org/docs/current/libpq-pgservice.html */
import { fail } from '../../../protocol/errors.ts';
import type { OwnFiles } from './ownFiles.ts';

/** Of the whole machine, where distributions build libpq to look. */
const SYSTEM_FILES = [
  '/etc/postgresql-common/pg_service.conf',
  '/etc/sysconfig/pgsql/pg_service.conf',
  '/etc/pg_service.conf',
  '/usr/local/etc/postgresql/pg_service.conf',
  '/opt/homebrew/etc/postgresql/pg_service.conf',
];

export type ServicePairs = readonly (readonly [name: string, value: string])[];

/** Rejects with `source_url`. */
export async function readService(
  name: string,
  named: string | undefined,
  own: OwnFiles,
): Promise<ServicePairs> {
  const files = named === undefined ? [own.inHome('.pg_service.conf'), ...SYSTEM_FILES] : [named];
  for (const file of files) {
    const text = await own.read(file);
    const found = text === undefined ? undefined : serviceIn(text, name, file);
    if (found !== undefined) return found;
  }
  throw fail('source_url', {
    problem: `its service "${name}" is not in ${named ?? files.slice(0, 2).join(' or ')}`,
  });
}

/** `[name]`, then `key=value` lines as they stand, without quotes. The first section of the name counts. */
export function serviceIn(text: string, name: string, file: string): ServicePairs | undefined {
  let inside = false;
  let pairs: [string, string][] | undefined;
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    if (trimmed.startsWith('[')) {
      if (inside) break;
      inside = trimmed.startsWith(`[${name}]`);
      if (inside) pairs = [];
      continue;
    }
    if (!inside) continue;
    const at = trimmed.indexOf('=');
    const problem =
      at < 1
        ? 'has a line without "="'
        : trimmed.startsWith('ldap')
          ? 'asks an LDAP server, which is not supported'
          : /^service\s*=/.test(trimmed)
            ? 'names a service in a service'
            : undefined;
    if (problem !== undefined)
      throw fail('source_url', { problem: `the service "${name}" in ${file} ${problem}` });
    pairs?.push([trimmed.slice(0, at).trim(), trimmed.slice(at + 1)]);
  }
  return pairs;
}
