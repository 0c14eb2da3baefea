/** What a PostgreSQL source is named by. */
import { readConnectionUrl, writeConnectionUrl } from '../../protocol/connectionUrl/connectionUrl.ts';
import type { SourceRules } from '../database.ts';
import { foreignKeys, type ForeignKeys } from '../foreignKeys.ts';

const FOREIGN: ForeignKeys = {
  'include.collections': 'PostgreSQL has no collections: name tables or schemas',
  'exclude.collections': 'PostgreSQL has no collections: name tables or schemas',
};

export const postgresSource: SourceRules = {
  urlExample: 'postgresql://user@host:port/database',
  readUrl(url) {
    const read = readConnectionUrl(url);
    if (!read.ok) return read;
    const { password } = read.value;
    return { ok: true, hasPassword: password !== undefined, withoutPassword: writeConnectionUrl(read.value) };
  },
  defaultDatabase: 'postgres',
  foreignTo: (member) => foreignKeys(member, FOREIGN),
};
