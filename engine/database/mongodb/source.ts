/** What a MongoDB source is named by. */
import { parseMongoUrl, writeMongoUrl } from '../../protocol/connectionUrl/mongoUrl.ts';
import type { SourceRules } from '../database.ts';
import { foreignKeys, type ForeignKeys } from '../foreignKeys.ts';

const FOREIGN: ForeignKeys = {
  user: 'clones of MongoDB have a user of their own',
  version: 'copies of MongoDB data run on the server that is there',
  image: 'members of MongoDB run on the servers of the machine',
  'include.schemas': 'MongoDB has no schemas: name collections',
  'include.tables': 'MongoDB has no tables: name collections',
  'exclude.schemas': 'MongoDB has no schemas: name collections',
  'exclude.tables': 'MongoDB has no tables: name collections',
  'exclude.extensions': 'MongoDB has no extensions',
};

export const mongoSource: SourceRules = {
  urlExample: 'mongodb://user@host:port/database',
  readUrl(url) {
    const read = parseMongoUrl(url);
    if (read === undefined) {
      const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url.trim())?.[1]?.toLowerCase() ?? null;
      return scheme === 'mongodb' || scheme === 'mongodb+srv'
        ? { ok: false, problem: 'it names no host, or has a character that must be percent-encoded' }
        : { ok: false, problem: 'it is no MongoDB URL', scheme };
    }
    return {
      ok: true,
      hasPassword: read.password !== undefined,
      withoutPassword: writeMongoUrl(read, undefined),
    };
  },
  defaultDatabase: 'test',
  foreignTo(member) {
    const found = foreignKeys(member, FOREIGN);
    if (member.retrieval === 'dump')
      found.push({ key: 'retrieval', reason: 'dumps of MongoDB are not read yet: use logical or directory' });
    return found;
  },
};
