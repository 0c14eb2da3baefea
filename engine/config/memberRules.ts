/** What has to hold of a member in thin-clones.yaml beyond its shape: where its data is, and no password in a URL. */
import { engineOf, engines } from '../database/engines.ts';
import { databaseEngineSchema } from '../protocol/entities.ts';

/** A password inside a connection URL, between user and host or as a parameter. */
const passwordInUrl = [
  /^[a-z][a-z0-9+.-]*:\/\/[^/?#@]*?:[^/?#]*@/i,
  // With a "/" or "?" in it that should have been percent-encoded: what follows the colon is no port.
  /^[a-z][a-z0-9+.-]*:\/\/[^/?#@:]*:(?![0-9]*(?:[/?#,]|$)).*@/i,
  /[?&]password=/i,
];

/** The same URL without its password, to be shown as what to write instead. */
const withoutPassword = (url: string): string =>
  url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#:@]*):.*@/i, '$1@')
    .replace(/([?&])password=[^&#]*&?/gi, '$1')
    .replace(/[?&]$/, '');

/** Which key says where the data is, for each way of retrieval. */
const placeKeys = { logical: 'url', dump: 'dump', directory: 'directory' } as const;

export function memberProblems(
  member: Record<string, unknown>,
): { key: string; at: 'key' | 'value'; text: string }[] {
  const problems: ReturnType<typeof memberProblems> = [];
  const { retrieval, url } = member;
  const own =
    typeof retrieval === 'string' && retrieval in placeKeys
      ? placeKeys[retrieval as keyof typeof placeKeys]
      : undefined;
  if (own !== undefined) {
    if (member[own] === undefined)
      problems.push({
        key: own,
        at: 'key',
        text: `"${own}" is missing here: "retrieval: ${String(retrieval)}" needs it`,
      });
    for (const other of Object.values(placeKeys)) {
      if (other !== own && member[other] !== undefined)
        problems.push({
          key: other,
          at: 'key',
          text: `"${other}" does not go with "retrieval: ${String(retrieval)}": expected "${own}"`,
        });
    }
  }
  const engine = databaseEngineSchema.safeParse(member.engine);
  // One that is left out or misspelt is told elsewhere: most likely it is the usual one.
  const source = (engine.success ? engineOf(engine.data) : engines[0])?.source;
  if (typeof url === 'string' && source !== undefined) {
    if (passwordInUrl.some((pattern) => pattern.test(url))) {
      problems.push({
        key: 'url',
        at: 'value',
        text: `the URL has a password in it: write ${withoutPassword(url)} and beside it "password: { env: NAME }" or "password: { file: PATH }"`,
      });
    } else if (!source.urlSchemes.some((scheme) => url.toLowerCase().startsWith(`${scheme}://`))) {
      problems.push({
        key: 'url',
        at: 'value',
        text: `expected a URL as ${source.urlExample}`,
      });
    }
  }
  return problems;
}
