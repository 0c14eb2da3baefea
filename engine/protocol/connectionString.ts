/** How to connect to a clone's member, in the formats that programs take. */
import type { Connection, DatabaseEngine } from './entities.ts';
import { engineTitle } from './engineWords.ts';
import { quoted } from './envValue.ts';
import { fail } from './errors.ts';

export const connectionFormats = ['uri', 'psql', 'mongosh', 'env', 'jdbc', 'libpq'] as const;
export type ConnectionFormat = (typeof connectionFormats)[number];

/** Those that an engine's programs take. */
export const formatsOf: Readonly<Record<DatabaseEngine, readonly ConnectionFormat[]>> = {
  postgres: ['uri', 'psql', 'env', 'jdbc', 'libpq'],
  mongodb: ['uri', 'mongosh', 'env'],
};

/** For people: what each format is. */
export const connectionFormatTitles: Record<ConnectionFormat, string> = {
  uri: 'URL',
  psql: 'psql command',
  mongosh: 'mongosh command',
  env: '.env lines',
  jdbc: 'JDBC URL',
  libpq: 'libpq keywords',
};

const encode = encodeURIComponent;
const shellQuote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const keywordQuote = (text: string): string => `'${text.replace(/[\\']/g, (c) => `\\${c}`)}'`;

/**
 * postgresql://user:password@host:port/database, each part percent-encoded. For MongoDB also where the login is kept, and that this one
 * server is all there is.
 */
export function connectionUri(c: Connection): string {
  const rest = `${encode(c.user)}:${encode(c.password)}@${c.host}:${c.port}/${encode(c.database)}`;
  return c.engine === 'postgres'
    ? `postgresql://${rest}`
    : `mongodb://${rest}?authSource=admin&directConnection=true`;
}

/** psql takes a name with "=" in it, and one that begins like a URI, for a whole connection string (its manual, `--dbname`). */
const psqlDatabase = (database: string): string =>
  /=|^postgres(ql)?:\/\//.test(database) ? `dbname=${keywordQuote(database)}` : database;

/** Errors: `usage` where programs would read different things. */
function envLines(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => {
      const written = quoted(value);
      if (written !== null) return `${name}=${written}`;
      throw fail('usage', {
        problem: `The value of ${name} can't be written in a .env file so that every program reads the same.`,
        hint: 'Take another format, such as the URI.',
      });
    })
    .join('\n');
}

/**
 * One line, but for `env`, which is one line for each variable. The psql command is for sh and leaves the password
 * to PGPASSWORD. Errors: `usage` for a format of another engine's programs, and for `env` when a value can't stand in a file.
 */
export function formatConnection(c: Connection, format: ConnectionFormat): string {
  if (!formatsOf[c.engine].includes(format))
    throw fail('usage', {
      problem: `Member ${c.name} is ${engineTitle[c.engine]}, and has no ${connectionFormatTitles[format]}.`,
      hint: `Take one of: ${formatsOf[c.engine].join(', ')}.`,
    });
  switch (format) {
    case 'uri':
      return connectionUri(c);
    case 'psql':
      return `PGPASSWORD=${shellQuote(c.password)} psql -h ${c.host} -p ${c.port} -U ${shellQuote(c.user)} -d ${shellQuote(psqlDatabase(c.database))}`;
    case 'mongosh':
      return `mongosh ${shellQuote(connectionUri(c))}`;
    case 'env':
      return envLines(c.engine === 'postgres' ? postgresVariables(c) : { MONGODB_URI: connectionUri(c) });
    case 'jdbc':
      return `jdbc:postgresql://${c.host}:${c.port}/${encode(c.database)}?user=${encode(c.user)}&password=${encode(c.password)}`;
    case 'libpq':
      return `host=${c.host} port=${c.port} user=${keywordQuote(c.user)} password=${keywordQuote(c.password)} dbname=${keywordQuote(c.database)}`;
  }
}

const postgresVariables = (c: Connection): Readonly<Record<string, string>> => ({
  DATABASE_URL: connectionUri(c),
  PGHOST: c.host,
  PGPORT: String(c.port),
  PGUSER: c.user,
  PGPASSWORD: c.password,
  PGDATABASE: c.database,
});
