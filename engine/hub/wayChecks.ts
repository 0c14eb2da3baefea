/** What was found step by step on the way to a host: from the first connection to the engine there. */
import type { DoctorCheck } from '../protocol/entities.ts';
import type { ThinClonesError } from '../protocol/errors.ts';

export interface WayChecks {
  list(): readonly DoctorCheck[];
  /** A new attempt looks at everything again. */
  restart(): void;
  /** One of the same name takes the place of the earlier one. */
  add(check: DoctorCheck): void;
  /** It answered, whatever it says. */
  reached(): void;
  loggedIn(): void;
  connected(roundTripMs: number | null): void;
  failed(failure: ThinClonesError): void;
}

/** The step that an error ends; the engine there for all others. */
const stepOf: Readonly<Record<string, string>> = {
  ...{ ssh_missing: 'reach', host_dns: 'reach', host_refused: 'reach', host_timeout: 'reach' },
  ...{ host_unreachable: 'reach', host_key_unknown: 'login', host_key_changed: 'login' },
  ...{ host_login: 'login', host_unanswered: 'login', host_shell: 'login' },
};

/** What one link tells; more of it is a host that tells without end. */
const mostChecks = 50;

export function createWayChecks(address: string, onChange: () => void): WayChecks {
  let checks: readonly DoctorCheck[] = [];
  const add = (check: DoctorCheck): void => {
    const others = checks.filter(({ name }) => name !== check.name);
    if (others.length >= mostChecks) return;
    checks = [...others, check];
    onChange();
  };
  const ok = (name: string, message: string): void => add({ name, status: 'ok', message, fix: null });
  const reached = (): void => {
    if (!checks.some(({ name }) => name === 'reach')) ok('reach', `${address} answers`);
  };
  return {
    list: () => checks,
    restart() {
      if (checks.length === 0) return;
      checks = [];
      onChange();
    },
    add,
    reached,
    loggedIn() {
      reached();
      ok('login', 'accepted');
    },
    connected(roundTripMs) {
      ok('engine', 'answers');
      if (roundTripMs !== null) ok('round trip', `${roundTripMs.toFixed(roundTripMs < 10 ? 1 : 0)} ms`);
    },
    failed({ code, message, document }) {
      if (checks.some(({ status }) => status === 'problem')) return;
      const name = stepOf[code] ?? 'engine';
      if (name !== 'reach') reached();
      add({ name, status: 'problem', message, fix: null, advice: document.next });
    },
  };
}
