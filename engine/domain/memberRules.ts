/** What has to hold of a member's definition beyond its shape: where its data is, and a URL that can be used, without a password. */
import type { MemberDefinition } from '../protocol/entities.ts';

/** What an engine says of the URLs of its sources. */
export interface UrlRules {
  /** Without the colon; the first is the one that we write. */
  readonly urlSchemes: readonly string[];
  /** What else is wrong with one of these schemes and without a password, as "it names ..."; undefined: nothing. */
  urlProblem(url: string): string | undefined;
}

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

/** As the name of a parameter, in which any letter may be percent-encoded. */
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
  // First: nothing else that is said of it may show it.
  if (passwordInUrl.some((pattern) => pattern.test(url)))
    return { kind: 'password', key: 'url', withoutPassword: withoutPassword(url) };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined || !rules.urlSchemes.includes(scheme))
    return { kind: 'scheme', key: 'url', scheme: scheme ?? null };
  const problem = rules.urlProblem(url);
  return problem === undefined ? undefined : { kind: 'url', key: 'url', problem };
}
