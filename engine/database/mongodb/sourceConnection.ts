/** Opens sessions with sources, and says exactly what is in the way. */
import type { MongoClient } from 'mongodb';
import type { MemberDefinition } from '../../protocol/entities.ts';
import { fail, ThinClonesError } from '../../protocol/errors.ts';
import { inSession } from './admin.ts';
import { parseMongoUrl, writeMongoUrl, type MongoUrl } from '../../protocol/connectionUrl/mongoUrl.ts';

const CONNECT_SECONDS = 10;

export interface Source {
  readonly url: MongoUrl;
  readonly member: string;
}

export interface SourceAccess {
  definition: MemberDefinition;
  password: string | undefined;
  /** For errors. */
  member: string;
  signal: AbortSignal | undefined;
}

/** Reads only. Errors: `source_*`. */
export async function inSource<Value>(
  { definition, password, member, signal }: SourceAccess,
  work: (client: MongoClient, source: Source) => Promise<Value>,
): Promise<Value> {
  const url = parseMongoUrl(definition.url ?? '');
  if (url === undefined) throw fail('source_url', { problem: 'it is no MongoDB URL' });
  if (url.user !== undefined && password === undefined)
    throw fail('source_password_missing', { member, reference: null });
  const source = { url, member };
  const { MongoClient } = await import('mongodb');
  try {
    const client = new MongoClient(writeMongoUrl(url, password), {
      ...{ appName: 'thin-clones', serverSelectionTimeoutMS: CONNECT_SECONDS * 1000, maxPoolSize: 8 },
    });
    return await inSession(client, signal, async (session) => {
      await session.connect();
      return await work(session, source);
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw explain(error, source);
  }
}

/** Where a message says which server it is about. */
export const addressOf = ({ url }: Source): { host: string; port: number } => {
  const [first = ''] = url.hosts.split(',');
  const [, host = first, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(first) ?? [];
  return { host: decodeURIComponent(host), port: port === undefined ? 27_017 : Number(port) };
};

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const UNAUTHORIZED = 13;
const AUTHENTICATION_FAILED = 18;

export function explain(error: unknown, source: Source): Error {
  if (error instanceof ThinClonesError) return error;
  const { host, port } = addressOf(source);
  const user = source.url.user ?? '';
  const cause = { cause: error };
  const message = everythingSaid(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === AUTHENTICATION_FAILED || /Authentication failed|AuthenticationFailed/.test(message))
    return fail('source_password', { user, host }, cause);
  if (code === UNAUTHORIZED) return fail('source_permission', { user, objects: [sentence(message)] }, cause);
  if (/ENOTFOUND|EAI_AGAIN|querySrv/.test(message)) return fail('source_dns', { host }, cause);
  if (/ECONNREFUSED|ENOENT/.test(message)) return fail('source_refused', { host, port }, cause);
  if (/SSL|TLS|certificate|self.signed|altname/i.test(message))
    return fail('source_tls', { host, problem: sentence(message) }, cause);
  if (/Server selection timed out|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timed out/.test(message))
    return fail('source_timeout', { host, port, seconds: CONNECT_SECONDS }, cause);
  if (/ECONNRESET|EPIPE|connection .* closed/.test(message))
    return fail('source_lost', { host, problem: sentence(message) }, cause);
  return fail('source_failed', { problem: sentence(message) }, cause);
}

/** The driver tells of the last attempt to reach a server inside of what it tells of the search. */
function everythingSaid(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reason: unknown = 'reason' in error ? error.reason : undefined;
  const servers =
    typeof reason === 'object' && reason !== null && 'servers' in reason ? reason.servers : undefined;
  const inside =
    servers instanceof Map
      ? [...(servers as Map<string, { error?: Error | null }>).values()].map(
          ({ error: one }) => one?.message ?? '',
        )
      : [];
  return [error.message, ...inside].filter((text) => text !== '').join(' ');
}

/** Without the final full stop and line breaks: it becomes a part of a sentence. */
const sentence = (text: string): string => text.trim().replace(/\s+/g, ' ').replace(/\.$/, '');
