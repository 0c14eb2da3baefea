/** What each database engine is called, and how to ask for its sources, in words for people: a second engine is one more entry. */
import type { DatabaseEngine } from './entities.ts';

export interface EngineWords {
  title: string;
  /** As thin-clones.yaml calls it. */
  key: DatabaseEngine;
  /** How its URLs begin. */
  scheme: string;
  /** What stands in the file, which has no password. */
  urlShape: string;
  urlExample: string;
  urlWithPassword: string;
  dumpProgram: string;
  dumpFormats: string;
  /** What lets a user read all that a source has. */
  grant: string;
  /** Where a server says who may connect from where. */
  accessFile: string;
  /** Servers that do not count what is written in a way that survives. */
  uncounted: string;
  terminalProgram: string;
  /** Where client programs are links to a script (Debian, Ubuntu): its name, and the folder of what it runs the newest of, `VERSION/bin`. */
  clientScript: { name: string; versions: string };
  /** What brings it, as the end of "Install ...". */
  installTerminalProgram: (platform: string) => string;
}

export const engineTitle: Readonly<Record<DatabaseEngine, string>> = {
  postgres: 'PostgreSQL',
  mongodb: 'MongoDB',
};

const postgres: EngineWords = {
  title: engineTitle.postgres,
  key: 'postgres',
  scheme: 'postgresql://',
  urlShape: 'postgresql://user@host:port/database',
  urlExample: 'postgresql://user@host:5432/database',
  urlWithPassword: 'postgresql://user:password@host:5432/database?sslmode=require',
  dumpProgram: 'pg_dump',
  dumpFormats: 'custom, directory, plain SQL; .gz and .zst are fine',
  grant: 'pg_read_all_data (PostgreSQL 14 or newer) or SELECT on them',
  accessFile: 'pg_hba.conf',
  uncounted: 'PostgreSQL before 15',
  terminalProgram: 'psql',
  clientScript: { name: 'pg_wrapper', versions: '/usr/lib/postgresql' },
  installTerminalProgram(platform) {
    if (platform === 'darwin') return '"brew install libpq"';
    if (platform === 'win32') return 'the PostgreSQL command line tools';
    return '"sudo apt install postgresql-client" (or your distribution\'s package)';
  },
};

const mongodb: EngineWords = {
  title: engineTitle.mongodb,
  key: 'mongodb',
  scheme: 'mongodb://',
  urlShape: 'mongodb://user@host:port/database',
  urlExample: 'mongodb://user@host:27017/database',
  urlWithPassword: 'mongodb://user:password@host:27017/database?authSource=admin',
  dumpProgram: 'mongodump',
  dumpFormats: 'archive or directory; .gz is fine',
  grant: 'the role readAnyDatabase, or read on its database',
  accessFile: 'net.bindIp and its users',
  uncounted: 'MongoDB',
  terminalProgram: 'mongosh',
  clientScript: { name: 'mongosh', versions: '' },
  installTerminalProgram: () => 'mongosh (https://www.mongodb.com/docs/mongodb-shell/)',
};

const words: Partial<Record<DatabaseEngine, EngineWords>> = { postgres, mongodb };

/** Of an engine that has none yet: those of the first one. */
export const wordsOf = (engine: DatabaseEngine = 'postgres'): EngineWords => words[engine] ?? postgres;
