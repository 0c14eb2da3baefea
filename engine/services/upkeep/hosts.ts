/** The hosts as people see them: where clones live, what is missing there, and what mends it. */
import type { DoctorCheck, Host as HostEntity, HostCertificate } from '../../protocol/entities.ts';
import type { Machine } from '../../machine/machine.ts';
import { waitAtMost, type Clock } from '../../ports/clock.ts';
import type { Certificates } from '../../ports/certificates.ts';
import { fail, toFailure } from '../../protocol/errors.ts';
import type { Storage } from '../../storage/storage.ts';

/** Of this machine, which is reached by being there. */
const here = {
  ...{ address: null, doing: null, unreachableSince: null, roundTripMs: null },
  ...{ next: null, question: null, checks: [], takesPasswords: false },
};

/** What an adapter can tell about one thing that it needs. */
export type Examine = () => Promise<readonly DoctorCheck[]>;

export async function hostEntity(
  machine: Machine,
  storage: Storage | undefined,
  problem: string | null,
  version: string,
): Promise<HostEntity> {
  const { name, kind } = machine;
  if (storage === undefined)
    return { ...here, ...{ name, kind, version }, state: 'unusable', storage: null, problem };
  try {
    const { totalBytes, freeBytes, compression = null } = await storage.space();
    return {
      ...here,
      ...{ name, kind, version },
      state: problem === null ? 'ready' : 'unusable',
      storage: {
        driver: storage.driver,
        label: storage.label,
        thin: storage.capabilities.thin,
        live: storage.capabilities.live,
        path: storage.root,
        totalBytes,
        freeBytes,
        compression,
      },
      problem,
    };
  } catch (error) {
    return {
      ...here,
      ...{ name, kind, version },
      state: 'unusable',
      storage: null,
      problem: toFailure(error).message,
    };
  }
}

export function hostCertificate(certificates: Certificates): HostCertificate {
  const current = certificates.current();
  if (current === undefined) {
    const instead = "The engine's log says why it has no certificate; connect without TLS meanwhile.";
    throw fail('not_supported', { feature: 'TLS on this host', instead });
  }
  return {
    path: certificates.authorityFile,
    certificate: current.authority,
    validUntil: current.validUntil.toISOString(),
  };
}

/** Milliseconds for the checks of one adapter, of which each takes a moment: what hangs is told as that. */
const examineMs = 60_000;

/** All checks; one that fails itself, or hangs, is a problem to tell, not a reason to stop. */
export async function examineHost(
  parts: readonly Examine[],
  clock: Pick<Clock, 'sleep'>,
): Promise<DoctorCheck[]> {
  const inTime = async (part: Examine): Promise<readonly DoctorCheck[]> => {
    const checks = part();
    if (await waitAtMost(clock, examineMs, checks)) return checks;
    const message = `What is looked at here hangs: no answer in ${examineMs / 1000} s.`;
    const advice = 'Look whether disks and network file systems of this machine answer.';
    return [{ name: 'check', status: 'problem', message, fix: null, advice }];
  };
  const results = await Promise.allSettled(parts.map(inTime));
  return results.flatMap((result) => {
    if (result.status === 'fulfilled') return [...result.value];
    const failure = toFailure(result.reason);
    return [
      {
        ...{ name: 'check', status: 'problem' as const, message: failure.message },
        ...{ fix: null, advice: failure.document.next },
      },
    ];
  });
}
