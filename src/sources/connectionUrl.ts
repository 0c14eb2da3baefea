/** Reads a connection as people paste it, and takes the password out of it. */
import { wordsOf } from '../../engine/protocol/engineWords.ts';
import {
  readConnectionUrl,
  shownServers,
  writeConnectionUrl,
} from '../../engine/protocol/connectionUrl/connectionUrl.ts';
import { parseMongoUrl, writeMongoUrl } from '../../engine/protocol/connectionUrl/mongoUrl.ts';
import type { DatabaseEngine } from '../../engine/protocol/entities.ts';
import { namePattern } from '../../engine/protocol/names.ts';

export interface ConnectionUrl {
  readonly engine: DatabaseEngine;
  /** The URL without its password: this is what is saved and shown. */
  readonly url: string;
  readonly password: string | undefined;
  /** As error texts name the user; undefined: the one who runs the engine. */
  readonly user: string | undefined;
  /** For people; several have commas. */
  readonly host: string;
  readonly port: number | undefined;
  readonly database: string;
  /** What was left out of it, in sentences. */
  readonly notes: readonly string[];
}

export type ParsedUrl =
  { readonly ok: true; readonly value: ConnectionUrl } | { readonly ok: false; readonly problem: string };

const refused = (problem: string): ParsedUrl => ({ ok: false, problem });

/** Beyond what the engine reads: quotes around it, `NAME=` in front as lines of an .env file have, and `psql`. */
export function parseConnectionUrl(pasted: string): ParsedUrl {
  const unquoted = (text: string): string =>
    text
      .trim()
      .replace(/^(["'])(.*)\1$/s, '$2')
      .trim();
  const whole = unquoted(pasted.trim().replace(/^psql\s+/, ''));
  if (whole === '') return refused(`Paste a URL like ${wordsOf().urlExample}`);
  const asIs = readConnectionUrl(whole);
  const named = /^(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*=(.+)$/s.exec(whole)?.[1];
  const mongo =
    mongoConnection(whole) ?? (named === undefined ? undefined : mongoConnection(unquoted(named)));
  if (mongo !== undefined) return { ok: true, value: mongo };
  const read = asIs.ok || named === undefined ? asIs : readConnectionUrl(unquoted(named));
  if (!read.ok) return refused(told(read.problem, read.scheme));
  const { password, user, database, servers, parameters, notes } = read.value;
  return {
    ok: true,
    value: {
      engine: wordsOf().key,
      url: writeConnectionUrl(read.value),
      password,
      user,
      host: servers.length === 0 ? (parameters['service'] ?? 'localhost') : shownServers(read.value),
      port: servers[0]?.port,
      database: database ?? user ?? parameters['service'] ?? '',
      notes,
    },
  };
}

function mongoConnection(text: string): ConnectionUrl | undefined {
  const read = parseMongoUrl(text);
  if (read === undefined) return undefined;
  const { user, password, hosts, database = '' } = read;
  const [, host = hosts, port] = /^([^,]*?)(?::(\d+))?$/.exec(hosts) ?? [];
  return {
    ...{ engine: 'mongodb', url: writeMongoUrl(read, undefined), password, user, database, notes: [] },
    ...{ host, port: port === undefined ? undefined : Number(port) },
  };
}

function told(problem: string, scheme: string | null | undefined): string {
  if (scheme?.startsWith('mongodb') === true)
    return `It names no host, or has a character that must be percent-encoded. It looks like ${wordsOf('mongodb').urlExample}`;
  if (scheme === null) return `It starts with ${wordsOf().scheme}`;
  if (problem.startsWith('its scheme')) return `It starts with ${wordsOf().scheme}, not ${scheme ?? ''}://`;
  return `${problem.charAt(0).toUpperCase()}${problem.slice(1)}.`;
}

/** A name that the engine accepts, made from what there is; `shop` from `/srv/dumps/shop.sql.gz`. */
export function nameFrom(text: string, taken: (name: string) => boolean, fallback: string): string {
  const base = (text.split(/[\\/]/).at(-1) ?? '')
    .replace(/\.(sql|dump|backup|pgdump|tar|tgz|gz|zst|dir|custom)(?=\.|$)/gi, '')
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/\.{2,}/g, '.')
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}_-]+$/gu, '')
    .slice(0, 60);
  const name = namePattern.test(base) ? base : fallback;
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!taken(candidate)) return candidate;
  }
}
