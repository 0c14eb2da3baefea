/** The client of another host's engine: as any other, but what it hears is made harmless first, and told by the time here. */
import type { LinkSession } from '../link/session.ts';
import { createClient, type Client } from '../protocol/client.ts';
import { ThinClonesError } from '../protocol/errors.ts';
import { isFailure } from '../protocol/errors.ts';
import type { RouteName } from '../protocol/routes.ts';
import type { ClockThere } from './clockThere.ts';
import { plainTexts, refusalThere } from './foreignWords.ts';

/** Data that is used as it is, and never shown as words. */
const exact: ReadonlySet<RouteName> = new Set(['cloneConnection', 'cloneDefinitions']);

export function createHostClient(
  { host, clock }: { host: string; clock: ClockThere },
  transport: LinkSession,
  user: string,
): Client {
  const client = createClient({ transport: clock.heardThrough(transport), user });
  return {
    async call(name, input, options) {
      try {
        const answer = await client.call(name, input, options);
        return exact.has(name) ? answer : clock.here(plainTexts(answer));
      } catch (error) {
        // Of the link: it knows its own words.
        if (!(error instanceof ThinClonesError) || isFailure(error, 'host_unreachable')) throw error;
        throw refusalThere(host, error, clock);
      }
    },
    async *events(from, signal) {
      for await (const event of client.events(from, signal)) yield clock.here(plainTexts(event));
    },
  };
}
