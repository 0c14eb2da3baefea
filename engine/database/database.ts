/** The port to one database engine: retrieve data, prepare and verify it, start a server on it, hand out logins. */
import type { ServerLimits } from '../domain/serverLimits.ts';
import type { UrlRules } from '../domain/memberRules.ts';
import type {
  Comparison,
  DatabaseEngine,
  MemberDefinition,
  PinnedImage,
  SourceReport,
} from '../protocol/entities.ts';
import type { DatasetId, MemberName } from '../protocol/ids.ts';
import type { RunningServer, ServerSpec } from '../runtime/runtime.ts';

/** How long work tells what it does: every call may be ignored. */
export interface Reporter {
  line(text: string, level?: 'info' | 'warning' | 'error'): void;
  /** 0 to 1, from real counts; never falls. */
  progress(fraction: number): void;
  /** What is done now, in a word or two: "dumping". */
  phase(name: string): void;
}

export interface RetrieveRequest {
  member: MemberName;
  definition: MemberDefinition;
  password: string | undefined;
  /** Empty directory that becomes the data directory. */
  target: string;
  dataset: DatasetId;
  /** Scratch folder of this job, removed afterwards by the caller. */
  scratch: string;
  /** Marks every process that is started (host `mark`), so that recovery can end what a killed engine left. */
  mark: string;
}

export interface Retrieved {
  /** Major version of the data, e.g. "18". */
  version: string;
  /** The image that it was made in; undefined: programs of the machine. */
  image?: PinnedImage | undefined;
  /** The database that people work with. */
  database: string;
  /** The moment that the data shows. */
  dataStateAt: Date;
  /** What came, compared with what was there; undefined: there is nothing to compare with. */
  comparison?: Comparison | undefined;
}

export interface Login {
  user: string;
  password: string;
  /** The role is the data's own: it gets the password, and keeps its rights. Else it is made, and may do everything. */
  isOfSource?: boolean;
}

export interface ServerOptions {
  dataset: DatasetId;
  title: string;
  dataDirectory: string;
  version: string;
  /** That the data was made in. */
  image?: PinnedImage | undefined;
  port: number | null;
  /** The one that people work in: our own sessions go there, too. */
  database?: string;
  /** false turns fsync, synchronous_commit and full_page_writes off. */
  durable: boolean;
  limits?: ServerLimits | undefined;
  logFile: string;
}

/** One SELECT; a value is text or a list of texts. */
export interface Statement {
  text: string;
  values?: readonly (string | readonly string[])[];
}

/** Columns by name, each as the server writes it in text; null is NULL. */
export type Row = Readonly<Record<string, string | null>>;

/** Rows of one table that were written, also by what was rolled back. */
export interface ChangedTable {
  database: string;
  schema: string;
  name: string;
  inserted: number;
  updated: number;
  deleted: number;
}

/** What was changed in a copy since its snapshot, as far as its server counts that. */
export interface Changes {
  /** `some`: more may have been written just now, or in transactions that are open; `no`: nobody knows. */
  counted: 'all' | 'some' | 'no';
  tables: readonly ChangedTable[];
  /** Tables or other definitions were made or changed, perhaps only for a moment. */
  schema: boolean;
}

/** What a source of an engine is named by. */
export interface SourceRules extends UrlRules {
  readonly urlExample: string;
  /** Where people work when nothing else is said. */
  readonly defaultDatabase: string;
  /** Keys of a definition, or ways of retrieval, that mean nothing for this engine; the values may be anything. */
  foreignTo(member: Partial<Record<keyof MemberDefinition, unknown>>): readonly ForeignKey[];
}

export interface ForeignKey {
  /** "user", "include.schemas". */
  readonly key: string;
  /** As "MongoDB has no roles that ...". */
  readonly reason: string;
}

/** How to ask for tables, in the engine's own language; for `read`. */
export interface Catalogue {
  /** "schema", "name" and "column" of each column of the ordinary tables with these names; the default schema first. */
  columnsOf(names: readonly string[]): Statement;
  /** A row when there is a table with none of these names. */
  anyOther(names: readonly string[]): Statement;
  rows(table: { schema: string; name: string }, columns: readonly string[], limit: number): Statement;
}

export interface Database {
  readonly engine: DatabaseEngine;
  readonly source: SourceRules;
  /** undefined: it has no tables. */
  readonly catalogue: Catalogue | undefined;
  /** Tries a source without changing it; problems come back in the report, as errors of the table. */
  testSource(
    definition: MemberDefinition,
    password: string | undefined,
    signal?: AbortSignal,
  ): Promise<SourceReport>;
  /**
   * Fills `target` from the source and leaves a stopped, clean, recovered data directory whose roles have no passwords,
   * which holds our admin role, and which passed its check. Errors: source_*, dump_unreadable, directory_unusable, restore_failed,
   * verification_failed, programs_missing, storage_full.
   */
  retrieve(request: RetrieveRequest, report: Reporter, signal: AbortSignal): Promise<Retrieved>;
  /** Ends whatever processes a killed engine left for this mark and on this data directory. Idempotent. */
  abandon(mark: string, dataDirectory: string, dataset: DatasetId): Promise<void>;
  /** Brings a copy of a live (or crashed) clone's data to the state that `retrieve` leaves: recovered, stopped, checked. */
  settle(
    request: Pick<RetrieveRequest, 'target' | 'dataset' | 'mark'> & {
      version: string;
      image?: PinnedImage | undefined;
    },
    report: Reporter,
    signal: AbortSignal,
  ): Promise<void>;
  /** Makes what is in memory reach the data files, before a live copy (PostgreSQL: CHECKPOINT). */
  flush(spec: ServerSpec, signal?: AbortSignal): Promise<void>;
  /** Has a running server read its certificate again. */
  reload(spec: ServerSpec, signal?: AbortSignal): Promise<void>;
  /** How to start a server on a dataset. */
  server(options: ServerOptions): Promise<ServerSpec>;
  /** Differs when what lies in the data directory may have changed since; a few file operations, and no session. */
  changeSign(dataDirectory: string): Promise<string>;
  /** Makes a fresh copy of a clean data directory startable (stale pid files); a few file operations at most. */
  makeStartable(dataDirectory: string): Promise<void>;
  /**
   * Waits until *this* server (by identity) answers on its unix socket, and gives the login its password in the same
   * session when one is passed; then, when it names a database, that login opens a session there as people do, by its port and with all
   * settings that it finds. Rejects with `server_start_failed` or `port_taken`, with the log's last lines, as soon as the process is gone,
   * and when it accepts and says nothing for `patienceMs` (a minute without it): one that recovers for long says so.
   */
  ready(
    spec: ServerSpec,
    isAlive: () => Promise<boolean>,
    login: (Login & { database?: string }) | undefined,
    signal?: AbortSignal,
    patienceMs?: number,
  ): Promise<void>;
  /** Logs in as people do, over loopback TCP, and checks that it is this server. Used by tests and the doctor, not on the hot path. */
  checkLogin(spec: ServerSpec, login: Login, database: string, signal?: AbortSignal): Promise<void>;
  /** Client connections other than the engine's own, for idle clones. */
  connections(spec: ServerSpec, signal?: AbortSignal): Promise<number>;
  /** Reads what the server counted since its first start on this copy, which lies between these moments. */
  changes(spec: ServerSpec, started: { after: Date; before: Date }, signal?: AbortSignal): Promise<Changes>;
  /**
   * Runs SELECTs (names with their schema) in one transaction that can't write, reads ordinary tables only and ends by itself after
   * seconds. Rejects with `read_failed`.
   */
  read(
    spec: ServerSpec,
    database: string,
    statements: readonly Statement[],
    signal?: AbortSignal,
  ): Promise<readonly (readonly Row[])[]>;
  /** What a database defines, as text that is the same for the same definitions. Rejects with `read_failed`, `programs_missing`. */
  definitions(spec: ServerSpec, database: string, signal?: AbortSignal): Promise<string>;
}

export type { RunningServer, ServerSpec };
