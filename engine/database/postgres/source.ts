/** What a PostgreSQL source is named by. */
import type { SourceRules } from '../database.ts';

export const postgresSource: SourceRules = {
  urlSchemes: ['postgresql', 'postgres'],
  urlExample: 'postgresql://user@host:port/database',
  defaultDatabase: 'postgres',
};
