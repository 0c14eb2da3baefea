/** Decides how a PostgreSQL server is started: its arguments, its socket folder, its environment. */
import path from 'node:path';
import type { PinnedImage } from '../../protocol/entities.ts';
import type { DatasetId } from '../../protocol/ids.ts';
import type { ServerSpec } from '../../runtime/runtime.ts';
import type { ServerOptions } from '../database.ts';
import { socketDirectoryIn } from '../serverSockets.ts';
import { DATABASE_VARIABLE } from './admin.ts';

/** Names the major version for those who get only the spec. The server itself does not read it. */
const MAJOR_VARIABLE = 'THIN_CLONES_POSTGRES';

export interface SpecOptions extends Omit<ServerOptions, 'version'> {
  program: string;
  /** That has the program. */
  image?: PinnedImage | undefined;
  major: number;
  socketRoot: string;
  platform: NodeJS.Platform;
  /** Holds the certificate and its key; without it the server has no TLS. */
  certificateFile?: string | undefined;
  /** Settings of a server that only we use for a moment, e.g. while data is restored. They win over `durable`. */
  extra?: Readonly<Record<string, string>>;
}

export function buildServerSpec(options: SpecOptions): ServerSpec {
  const socketDirectory = socketDirectoryOf(options.socketRoot, options.dataset, options.platform);
  const settings: Record<string, string> = {
    ...identitySettings(options, socketDirectory),
    ...isolationSettings(options.dataDirectory),
    ...tlsSettings(options.certificateFile),
    ...durabilitySettings(options.durable),
    // Whoever has no password keeps one of its connections no longer than this, seconds (default: 60).
    authentication_timeout: '10',
    // Else recovery opens and fsyncs every file of the data directory (PostgreSQL 14, Linux).
    ...(options.platform === 'linux' && options.major >= 14 ? { recovery_init_sync_method: 'syncfs' } : {}),
    ...options.extra,
  };
  return {
    identity: options.dataset,
    title: options.title,
    program: options.program,
    args: [
      '-D',
      options.dataDirectory,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    env: {
      [MAJOR_VARIABLE]: String(options.major),
      ...(options.database === undefined ? {} : { [DATABASE_VARIABLE]: options.database }),
    },
    dataDirectory: options.dataDirectory,
    socketDirectory,
    port: options.port,
    logFile: options.logFile,
    image: options.image,
    limits: options.limits,
    ...(options.certificateFile === undefined ? {} : { reads: [path.dirname(options.certificateFile)] }),
  };
}

export function majorOf(spec: ServerSpec): number {
  return Number(spec.env[MAJOR_VARIABLE] ?? Number.NaN);
}

export const socketDirectoryOf = (
  socketRoot: string,
  dataset: DatasetId,
  platform: NodeJS.Platform,
): string => socketDirectoryIn({ socketRoot, dataset, platform }, '.s.PGSQL.65535');

/**
 * The command line wins over postgresql.conf and postgresql.auto.conf
 * (https://www.postgresql.org/docs/current/config-setting.html), so these hold whatever the data brings along.
 */
function identitySettings(options: SpecOptions, socketDirectory: string): Record<string, string> {
  return {
    cluster_name: options.dataset,
    listen_addresses: options.port === null ? '' : '127.0.0.1',
    port: String(options.port ?? 5432),
    unix_socket_directories: quoteListValue(socketDirectory),
    unix_socket_permissions: '0700',
    unix_socket_group: '',
  };
}

/** Nothing outside the data directory is read, written or called. */
function isolationSettings(dataDirectory: string): Record<string, string> {
  return {
    hba_file: path.join(dataDirectory, 'pg_hba.conf'),
    ident_file: path.join(dataDirectory, 'pg_ident.conf'),
    external_pid_file: '',
    logging_collector: 'off',
    log_destination: 'stderr',
    archive_mode: 'off',
    restore_command: '',
    primary_conninfo: '',
    // It is in the title of every process, which is how children are found after their parent died.
    update_process_title: 'on',
  };
}

/** One file for both: it is replaced in one step, so that a certificate is never read with the key of another. */
function tlsSettings(file: string | undefined): Record<string, string> {
  if (file === undefined) return { ssl: 'off' };
  return {
    ...{ ssl: 'on', ssl_cert_file: file, ssl_key_file: file },
    // Files of the server that the data came from.
    ...{ ssl_ca_file: '', ssl_crl_file: '', ssl_dh_params_file: '', ssl_passphrase_command: '' },
  };
}

function durabilitySettings(durable: boolean): Record<string, string> {
  return durable
    ? { fsync: 'on', full_page_writes: 'on' }
    : { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' };
}

/** unix_socket_directories is a list of names: a comma or a space in the path would end it. */
function quoteListValue(value: string): string {
  return `"${value.replaceAll('"', '""')}"`;
}
