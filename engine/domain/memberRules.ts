/** What has to hold of a member's definition beyond its shape: where its data is, and a URL that can be used, without a password. */
import type { MemberDefinition } from '../protocol/entities.ts';

/** What an engine says of the URLs of its sources. */
export interface UrlRules {
  readUrl(url: string): UrlReading;
}

export type UrlReading =
  | { readonly ok: true; readonly hasPassword: boolean; readonly withoutPassword: string }
  /** As "it names ...", without any value. `scheme`: one that is none of the engine's; null: it is nothing that is known. */
  | { readonly ok: false; readonly problem: string; readonly scheme?: string | null };

/** Which key says where the data is, for each way of retrieval that this version has. */
const placeKeys = { logical: 'url', dump: 'dump', directory: 'directory' } as const;
type PlaceKey = (typeof placeKeys)[keyof typeof placeKeys];

export type MemberProblem =
  /** The way of retrieval needs it. */
  | { kind: 'missing'; key: PlaceKey }
  /** It belongs to another way of retrieval than `own`. */
  | { kind: 'foreign'; key: PlaceKey; own: PlaceKey }
  /** `withoutPassword` may be shown. */
  | { kind: 'password'; key: 'url'; withoutPassword: string }
  /** null: it has none, and is no URL. */
  | { kind: 'scheme'; key: 'url'; scheme: string | null }
  | { kind: 'url'; key: 'url'; problem: string };

/** For what can't be read, and is shown by nobody before these have looked at it. As the name of a parameter, in which any letter may be percent-encoded. */
const password = Array.from('password', (letter) => {
  const codes = [letter, letter.toUpperCase()].map((each) => each.charCodeAt(0).toString(16));
  return `(?:${letter}|%${codes.join('|%')})`;
}).join('');

/** A password inside a connection URL, between user and host or as a parameter. */
const passwordInUrl = [
  /^[a-z][a-z0-9+.-]*:\/\/[^/?#@]*?:[^/?#]*@/i,
  // With a "/" or "?" in it that should have been percent-encoded: what follows the colon is no port.
  /^[a-z][a-z0-9+.-]*:\/\/[^/?#@:]*:(?![0-9]*(?:[/?#,]|$)).*@/i,
  new RegExp(`[?&]${password}=`, 'i'),
];

const withoutPassword = (url: string): string =>
  url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#:@]*):.*@/i, '$1@')
    .replace(new RegExp(`([?&])${password}=[^&#]*&?`, 'gi'), '$1')
    .replace(/[?&]$/, '');

/** The values may be anything, as in a file that nobody checked yet; nothing is said of a way of retrieval, or an engine's URL, that this version does not know. */
export function memberProblems(
  { retrieval, ...member }: Partial<Record<keyof MemberDefinition, unknown>>,
  rules: UrlRules | undefined,
): MemberProblem[] {
  const problems: MemberProblem[] = [];
  const own =
    typeof retrieval === 'string' && Object.hasOwn(placeKeys, retrieval)
      ? placeKeys[retrieval as keyof typeof placeKeys]
      : undefined;
  if (own !== undefined) {
    if (member[own] === undefined) problems.push({ kind: 'missing', key: own });
    for (const key of Object.values(placeKeys))
      if (key !== own && member[key] !== undefined) problems.push({ kind: 'foreign', key, own });
  }
  const inUrl =
    typeof member.url === 'string' && rules !== undefined ? urlProblem(member.url, rules) : undefined;
  return inUrl === undefined ? problems : [...problems, inUrl];
}

function urlProblem(url: string, rules: UrlRules): MemberProblem | undefined {
  const read = rules.readUrl(url);
  if (read.ok)
    return read.hasPassword
      ? { kind: 'password', key: 'url', withoutPassword: read.withoutPassword }
      : undefined;
  // First: nothing else that is said of it may show it.
  if (passwordInUrl.some((pattern) => pattern.test(url)))
    return { kind: 'password', key: 'url', withoutPassword: withoutPassword(url) };
  return read.scheme === undefined
    ? { kind: 'url', key: 'url', problem: read.problem }
    : { kind: 'scheme', key: 'url', scheme: read.scheme };
}
