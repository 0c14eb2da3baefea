/** How a source is reached with TLS: the files that libpq would take, and the same for pg. */
import path from 'node:path';
import { checkServerIdentity, createSecureContext, type PeerCertificate, type SecureVersion } from 'node:tls';
import type { ClientConfig } from 'pg';
import { fail } from '../../../protocol/errors.ts';
import type { Parameters, SslMode } from '../../../protocol/connectionUrl/parameters.ts';
import type { OwnFiles } from './ownFiles.ts';

export interface TlsSettings {
  readonly mode: SslMode;
  /** libpq's keywords; with absolute paths, also of what it would find by itself. */
  readonly parameters: Parameters;
  /** From a service file alone. */
  readonly keyPassword: string | undefined;
}

/** Where systems keep the certificates that they trust, all in one file. */
const SYSTEM_ROOTS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * Fills in what libpq finds in the home, so that everybody takes the same. `verify-full` without roots takes those of the
 * system, as `sslrootcert=system`: drivers do, and it is no weaker. Rejects with `source_tls`.
 */
export async function findTlsFiles(
  parameters: Parameters,
  mode: SslMode,
  server: string,
  own: OwnFiles,
): Promise<Parameters> {
  const found: Record<string, string> = { ...parameters };
  if (mode === 'disable') return found;
  for (const [name, file] of [
    ['sslrootcert', own.inHome('.postgresql', 'root.crt')],
    ['sslcrl', own.inHome('.postgresql', 'root.crl')],
    ['sslcert', own.inHome('.postgresql', 'postgresql.crt')],
  ] as const)
    // Of revocation lists, a folder is as good as a file.
    if (found[name] === undefined && !(name === 'sslcrl' && 'sslcrldir' in found) && (await own.exists(file)))
      found[name] = file;
  const key = own.inHome('.postgresql', 'postgresql.key');
  if (found['sslcert'] !== undefined && found['sslkey'] === undefined && (await own.exists(key)))
    found['sslkey'] = key;
  const wantsSystem = found['sslrootcert'] === 'system';
  if (wantsSystem && parameters['sslmode'] !== undefined && mode !== 'verify-full')
    throw fail('source_tls', { host: server, problem: `sslrootcert=system goes with sslmode=verify-full` });
  if (wantsSystem || (mode === 'verify-full' && found['sslrootcert'] === undefined)) {
    found['sslrootcert'] = await systemRoots(server, own);
  } else if (mode === 'verify-ca' && found['sslrootcert'] === undefined) {
    const problem = 'sslmode=verify-ca needs a certificate to check against: name it with sslrootcert';
    throw fail('source_tls', { host: server, problem });
  }
  return found;
}

async function systemRoots(server: string, own: OwnFiles): Promise<string> {
  for (const file of SYSTEM_ROOTS) if (await own.exists(file)) return file;
  const problem = 'this machine has no file of trusted certificates: name one with sslrootcert';
  throw fail('source_tls', { host: server, problem });
}

/** By its own words: what OpenSSL says of a password that is missing depends on what else went wrong in this process before. */
const isEncrypted = (key: string | undefined): boolean =>
  key !== undefined && /^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(key);

/** OpenSSL finds those of a folder by a name that it made of their issuer's, e.g. `5ed36f99.r0`. */
async function revocationLists(
  { sslcrl, sslcrldir }: Parameters,
  read: (file: string | undefined) => Promise<string | undefined>,
  server: string,
  own: OwnFiles,
): Promise<readonly string[]> {
  const files = sslcrl === undefined ? [] : [sslcrl];
  if (sslcrldir !== undefined) {
    const names = (await own.list(sslcrldir)).filter((name) => /^[0-9a-f]{8}\.r\d+$/.test(name));
    // libpq would trust no certificate then; without lists pg would trust any.
    if (names.length === 0) {
      const problem = `the folder ${sslcrldir} has no revocation list: "openssl rehash" gives them their names there`;
      throw fail('source_tls', { host: server, problem });
    }
    files.push(...names.map((name) => path.join(sslcrldir, name)));
  }
  const lists = await Promise.all(files.map(read));
  return lists.filter((list) => list !== undefined);
}

/** For pg. `server` is what the certificate has to name. Rejects with `source_tls`. */
export async function tlsOptions(
  { mode, parameters, keyPassword }: TlsSettings,
  server: string,
  own: OwnFiles,
): Promise<Exclude<ClientConfig['ssl'], boolean>> {
  if (mode === 'disable') return undefined;
  const read = async (file: string | undefined): Promise<string | undefined> => {
    if (file === undefined) return undefined;
    let text: string | undefined;
    try {
      text = await own.read(file);
    } catch (error) {
      throw fail('source_tls', { host: server, problem: `the file ${file} can't be read` }, { cause: error });
    }
    if (text === undefined) throw fail('source_tls', { host: server, problem: `there is no file ${file}` });
    return text;
  };
  const sendsOwn = parameters['sslcertmode'] !== 'disable';
  const [ca, crl, cert, key] = [
    await read(parameters['sslrootcert']),
    await revocationLists(parameters, read, server, own),
    sendsOwn ? await read(parameters['sslcert']) : undefined,
    sendsOwn ? await read(parameters['sslkey']) : undefined,
  ];
  // As libpq: `require` with a root certificate also verifies.
  const verify = mode.startsWith('verify') || (mode === 'require' && ca !== undefined);
  const version = (name: string): SecureVersion | undefined => parameters[name] as SecureVersion | undefined;
  const minimum = version('ssl_min_protocol_version');
  const maximum = version('ssl_max_protocol_version');
  const files = {
    ...(ca === undefined ? {} : { ca }),
    ...(crl.length === 0 ? {} : { crl: [...crl] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(keyPassword === undefined ? {} : { passphrase: keyPassword }),
  };
  try {
    createSecureContext(files);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const name = parameters['sslkey'] ?? '';
    const problem = !isEncrypted(key)
      ? `its certificates or key can't be used (${reason})`
      : keyPassword === undefined
        ? `the key ${name} needs a password: give it as sslpassword in a service file`
        : `the key ${name} can't be opened with sslpassword of the service file (${reason})`;
    throw fail('source_tls', { host: server, problem }, { cause: error });
  }
  return {
    rejectUnauthorized: verify,
    ...files,
    ...(minimum === undefined ? {} : { minVersion: minimum }),
    ...(maximum === undefined ? {} : { maxVersion: maximum }),
    ...(/^[\d.]+$|:/.test(server) ? {} : { servername: server }),
    checkServerIdentity: (_: string, certificate: PeerCertificate) =>
      verify && mode === 'verify-full' ? checkServerIdentity(server, certificate) : undefined,
  };
}
