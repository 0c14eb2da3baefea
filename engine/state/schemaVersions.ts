/** The numbered steps from an empty state database to today's; a step that was released never changes. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE environments (name TEXT PRIMARY KEY, document TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT;
  CREATE TABLE snapshots (id TEXT PRIMARY KEY, created_at TEXT NOT NULL, document TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT;
  CREATE TABLE clones (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL, document TEXT NOT NULL, checksum INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE jobs (
    id TEXT PRIMARY KEY, created_at TEXT NOT NULL, finished INTEGER NOT NULL, idempotency_key TEXT UNIQUE,
    document TEXT NOT NULL, checksum INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX jobs_by_age ON jobs (created_at DESC, id DESC);
  CREATE INDEX jobs_unfinished ON jobs (finished) WHERE finished = 0;
  CREATE TABLE job_lines (job TEXT NOT NULL, line INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (job, line)) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE checkouts (id TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE, document TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT;
  `,
  `
  CREATE TABLE idempotency_keys (key TEXT PRIMARY KEY, job TEXT NOT NULL, request TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT;
  CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job);
  `,
];
