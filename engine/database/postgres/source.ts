/** What a PostgreSQL source is named by. */
import type { SourceRules } from '../database.ts';

export const postgresSource: SourceRules = {
  urlSchemes: ['postgresql', 'postgres'],
  urlExample: 'postgresql://user@host:port/database',
  urlProblem(url) {
    const authority = /^[^:]*:\/\/([^/?#]*)/.exec(url)?.[1] ?? '';
    if (authority.includes(',')) return 'it names several hosts; name one';
    return URL.canParse(url) ? undefined : 'it is not a URL';
  },
  defaultDatabase: 'postgres',
};
