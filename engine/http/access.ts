/** Who may ask: the token, and the headers that tell a browser's requests from a client's. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { fail } from '../protocol/errors.ts';
import { protocolHeader, protocolVersion } from '../protocol/wire.ts';

const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]']);
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export interface AccessRequest {
  header(name: string): string | undefined;
  method: string;
}

/**
 * Throws `forbidden_origin` for anything that a web page could have sent, `unauthorized` without the right token,
 * `protocol_mismatch` for a client of another protocol, `invalid_request` where a header makes no sense. Looks at headers only: no body was read yet.
 */
export function checkAccess(request: AccessRequest, token: string): void {
  if (request.header('origin') !== undefined) throw fail('forbidden_origin', { header: 'Origin' });
  if (request.header('sec-fetch-site') !== undefined)
    throw fail('forbidden_origin', { header: 'Sec-Fetch-Site' });
  const host = (request.header('host') ?? '').replace(/:[0-9]+$/, '').toLowerCase();
  if (host === '') throw fail('invalid_request', { problems: ['the header Host is missing'] });
  if (!loopbackHosts.has(host)) throw fail('forbidden_origin', { header: 'Host' });
  const given = /^Bearer (.+)$/.exec(request.header('authorization') ?? '')?.[1] ?? '';
  if (!timingSafeEqual(digest(given), digest(token))) throw fail('unauthorized', {});
  const type = request.header('content-type');
  if (type !== undefined && type.split(';')[0]?.trim() !== 'application/json') {
    throw fail('invalid_request', { problems: ['the content type must be application/json'] });
  }
  const protocol = request.header(protocolHeader);
  // The engine's own page and the stop request must work across versions: that is how one replaces the other.
  if (protocol !== undefined && Number(protocol) !== protocolVersion) {
    throw fail('protocol_mismatch', { engine: protocolVersion, client: Number(protocol) });
  }
}
