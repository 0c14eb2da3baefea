/** The client of another host's engine: as any other, but what it hears is made harmless first. */
import type { LinkSession } from '../link/session.ts';
import { createClient, type Client } from '../protocol/client.ts';
import { ThinClonesError } from '../protocol/errors.ts';
import { isFailure } from '../protocol/errors.ts';
import type { RouteName } from '../protocol/routes.ts';
import { plainTexts, refusalThere } from './foreignWords.ts';

/** Data that is used as it is, and never shown as words. */
const exact: ReadonlySet<RouteName> = new Set(['cloneConnection', 'cloneDefinitions']);

export function createHostClient(host: string, transport: LinkSession, user: string): Client {
  const client = createClient({ transport, user });
  return {
    async call(name, input, options) {
      try {
        const answer = await client.call(name, input, options);
        return exact.has(name) ? answer : plainTexts(answer);
      } catch (error) {
        // Of the link: it knows its own words.
        if (!(error instanceof ThinClonesError) || isFailure(error, 'host_unreachable')) throw error;
        throw refusalThere(host, error);
      }
    },
    async *events(from, signal) {
      for await (const event of client.events(from, signal)) yield plainTexts(event);
    },
  };
}
