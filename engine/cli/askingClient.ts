/** The engine as a command uses it: a host that waits for a login is logged in to at this terminal, and the request goes on. */
import type { Client } from '../protocol/client.ts';
import { isFailure, type ErrorCode } from '../protocol/errors.ts';
import type { RouteName } from '../protocol/routes.ts';

const ofLogin: readonly ErrorCode[] = ['host_login', 'host_key_unknown', 'host_unanswered'];
/** They ask themselves. */
const ofHosts: readonly RouteName[] = ['hostAdd', 'hostReconnect', 'hostAnswer'];

/** The host that nobody gets to without a person; undefined for any other failure. */
function waitingHost(error: unknown): string | undefined {
  if (!isFailure(error) || !ofLogin.some((code) => code === error.code)) return undefined;
  const { host } = error.document.details;
  return typeof host === 'string' ? host : undefined;
}

export const askingClient = (
  client: Client,
  terminal: { readonly available: boolean; login: (host: string) => Promise<void> },
): Client => ({
  ...client,
  async call(name, input, options) {
    try {
      return await client.call(name, input, options);
    } catch (error) {
      const host = waitingHost(error);
      if (host === undefined || !terminal.available || ofHosts.includes(name)) throw error;
      await terminal.login(host);
      return client.call(name, input, options);
    }
  },
});
