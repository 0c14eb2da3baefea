/** How to connect to a clone's member, in the formats that programs take. */
import type { Connection } from './entities.ts';

export const connectionFormats = ['uri', 'psql', 'env', 'jdbc', 'libpq'] as const;
export type ConnectionFormat = (typeof connectionFormats)[number];

/** For people: what each format is. */
export const connectionFormatTitles: Record<ConnectionFormat, string> = {
  uri: 'URI',
  psql: 'psql command',
  env: '.env lines',
  jdbc: 'JDBC URL',
  libpq: 'libpq keywords',
};

const encode = encodeURIComponent;
const shellQuote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const keywordQuote = (text: string): string => `'${text.replace(/[\\']/g, (c) => `\\${c}`)}'`;

/** postgresql://user:password@host:port/database, each part percent-encoded. */
export function connectionUri(c: Connection): string {
  const scheme = c.engine === 'postgres' ? 'postgresql' : 'mongodb';
  return `${scheme}://${encode(c.user)}:${encode(c.password)}@${c.host}:${c.port}/${encode(c.database)}`;
}

/** One line, but for `env`, which is one line for each variable. The psql command leaves the password to PGPASSWORD. */
export function formatConnection(c: Connection, format: ConnectionFormat): string {
  switch (format) {
    case 'uri':
      return connectionUri(c);
    case 'psql':
      return `PGPASSWORD=${shellQuote(c.password)} psql -h ${c.host} -p ${c.port} -U ${shellQuote(c.user)} -d ${shellQuote(c.database)}`;
    case 'env':
      return [
        `DATABASE_URL=${connectionUri(c)}`,
        `PGHOST=${c.host}`,
        `PGPORT=${c.port}`,
        `PGUSER=${c.user}`,
        `PGPASSWORD=${c.password}`,
        `PGDATABASE=${c.database}`,
      ].join('\n');
    case 'jdbc':
      return `jdbc:postgresql://${c.host}:${c.port}/${encode(c.database)}?user=${encode(c.user)}&password=${encode(c.password)}`;
    case 'libpq':
      return `host=${c.host} port=${c.port} user=${keywordQuote(c.user)} password=${keywordQuote(c.password)} dbname=${keywordQuote(c.database)}`;
  }
}
