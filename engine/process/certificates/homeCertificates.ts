/** Keeps the certificates of a home: made once, renewed before they end, with a copy that database servers read. */
import { createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { Machine } from '../../machine/machine.ts';
import type { Certificates, HomeCertificate } from '../../ports/certificates.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { CertificateWithKey } from './issue.ts';

export interface HomeCertificatesOptions {
  machine: Pick<Machine, 'files' | 'serverUser'>;
  clock: Pick<Clock, 'now'>;
  log: Log;
  /** Of mode 0700, the engine's. */
  secrets: string;
  /** Servers, who may be another user's, pass through. */
  forServers: string;
}

const DAY_MS = 86_400_000;
/** Whoever copied the authority's certificate has so long to copy the next one. */
const AUTHORITY_MARGIN_DAYS = 365;
/** Servers that run read the next one when it is made; those of an engine that is off go on with theirs meanwhile. */
const SERVER_MARGIN_DAYS = 120;

interface Parsed {
  text: CertificateWithKey;
  certificate: X509Certificate;
  key: KeyObject;
}

/** undefined: damaged, which is as good as missing. */
function parse(text: string | undefined): Parsed | undefined {
  if (text === undefined) return undefined;
  try {
    const parsed = { text, certificate: new X509Certificate(text), key: createPrivateKey(text) };
    return parsed.certificate.checkPrivateKey(parsed.key) ? parsed : undefined;
  } catch {
    // best effort: another one is made in its place
    return undefined;
  }
}

function lasts({ certificate }: Parsed, now: Date, marginDays: number): boolean {
  const end = certificate.validToDate.getTime() - marginDays * DAY_MS;
  return certificate.validFromDate.getTime() <= now.getTime() && now.getTime() < end;
}

/** Without the key that follows it. */
const certificateOf = ({ certificate }: Parsed): string => certificate.toString();

export async function openHomeCertificates(options: HomeCertificatesOptions): Promise<Certificates> {
  const { machine, clock, log, secrets, forServers } = options;
  const { files } = machine;
  const authorityKept = join(secrets, 'authority.pem');
  const serverKept = join(secrets, 'server.pem');
  const authorityFile = join(forServers, 'authority.crt');
  const serverFile = join(forServers, 'server.pem');
  let current: HomeCertificate | undefined;
  /** One was made that servers which run have not read. */
  let isNews = false;

  /** What is kept, or another one in its place. */
  const keep = async (
    file: string,
    fits: (kept: Parsed) => boolean,
    issue: () => Promise<CertificateWithKey>,
  ): Promise<Parsed & { isNew: boolean }> => {
    const kept = parse(await files.read(file));
    if (kept !== undefined && fits(kept)) return { ...kept, isNew: false };
    const made = parse(await issue());
    if (made === undefined) throw new Error('a certificate was made that can not be read');
    await files.writeAtomic(file, made.text);
    return { ...made, isNew: true };
  };

  const makeFolderForServers = (): Promise<void> =>
    files.makeDirectory(forServers, { mode: machine.serverUser === undefined ? 0o700 : 0o711 });

  /** In one step: a server that starts at this moment reads a certificate with its own key. */
  const giveToServers = async (server: string): Promise<void> => {
    const fresh = `${serverFile}.new`;
    await files.writeAtomic(fresh, server);
    await files.giveToServerUser(fresh);
    await files.rename(fresh, serverFile);
  };

  const look = async (): Promise<HomeCertificate> => {
    const now = clock.now();
    await files.makeDirectory(secrets, { mode: 0o700 });
    await makeFolderForServers();
    const authority = await keep(
      authorityKept,
      (kept) => kept.certificate.ca && lasts(kept, now, AUTHORITY_MARGIN_DAYS),
      async () => (await import('./issue.ts')).issueAuthority(now),
    );
    const publicKey = createPublicKey(authority.text);
    const server = await keep(
      serverKept,
      (kept) => kept.certificate.verify(publicKey) && lasts(kept, now, SERVER_MARGIN_DAYS),
      async () => (await import('./issue.ts')).issueServer({ key: authority.key, publicKey }, now),
    );
    if (current?.server === server.text) return current;
    await files.writeAtomic(authorityFile, certificateOf(authority), 0o644);
    await giveToServers(server.text);
    isNews ||= server.isNew;
    const validUntil = authority.certificate.validToDate;
    return { server: server.text, authority: certificateOf(authority), validUntil };
  };

  const renew = async (): Promise<void> => {
    try {
      current = await look();
    } catch (error) {
      // Nothing depends on TLS: connections go on without it, and the next look tries again.
      const problem = error instanceof Error ? error.message : String(error);
      log.warning('the certificate for TLS can not be made or renewed', { problem });
    }
  };
  await renew();

  return {
    authorityFile,
    current: () => current,
    async renew() {
      await renew();
      const wasNews = isNews;
      isNews = false;
      return wasNews;
    },
    async serverFile() {
      if (current === undefined) return undefined;
      // A server that is told of a file that is gone does not start.
      if ((await files.stat(serverFile))?.kind === 'file') return serverFile;
      try {
        await makeFolderForServers();
        await giveToServers(current.server);
        return serverFile;
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        log.warning('a server starts without TLS', { problem });
        return undefined;
      }
    },
  };
}
