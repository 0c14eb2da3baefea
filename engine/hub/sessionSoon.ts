/** The open link to a host for who can't wait for long: a connection to one of its clones, a person at a prompt. */
import type { LinkSession } from '../link/session.ts';
import type { Clock } from '../ports/clock.ts';
import { fail } from '../protocol/errors.ts';
import type { RemoteHost } from './remoteHost.ts';

/** Milliseconds for a link that is not open: most are back by then, or are known not to come. */
const patienceMs = 5000;
/** Milliseconds in which a host that could not be reached is not tried again for more of them: applications ask without end. */
const quietMs = 1000;

export type SessionSoon = (host: RemoteHost, signal: AbortSignal) => Promise<LinkSession>;

/** A host is reached for at once. Errors: those of the link; `host_unreachable` when that takes too long. */
export function createSessionSoon(clock: Clock): SessionSoon {
  const failed = new WeakMap<RemoteHost, { at: number; error: unknown }>();
  return async (host, signal) => {
    const { state, problem } = host.view().host;
    // Its login would be refused again, and hosts lock out who is refused often.
    if (state === 'needs-login')
      throw fail('host_unreachable', { host: host.known.name, problem: problem ?? 'it waits for a login' });
    const last = failed.get(host);
    if (state === 'unreachable' && last !== undefined && clock.monotonic() - last.at < quietMs)
      throw last.error;
    const over = new AbortController();
    const tooLong = async (): Promise<never> => {
      await clock.sleep(patienceMs, over.signal);
      const late = `it is not reached within ${patienceMs / 1000} s`;
      throw fail('host_unreachable', { host: host.known.name, problem: late });
    };
    try {
      return await Promise.race([host.session(AbortSignal.any([signal, over.signal])), tooLong()]);
    } catch (error) {
      if (!signal.aborted) failed.set(host, { at: clock.monotonic(), error });
      throw error;
    } finally {
      over.abort();
    }
  };
}
