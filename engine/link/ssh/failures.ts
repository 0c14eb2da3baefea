/** What became of a login, by what ssh said: it has no other way to tell than its words (they are not translated). */
import { fail, type ThinClonesError } from '../../protocol/errors.ts';
import { formatSshAddress, type SshAddress } from '../../protocol/sshAddress.ts';
import type { CarrierEnd } from '../child/carrier.ts';
import { lastWords, plainLines } from '../lastWords.ts';
import type { Question } from '../link.ts';

export interface LoginEnd {
  host: string;
  address: SshAddress;
  end: CarrierEnd;
  /** What came over standard output instead of our shell. */
  noise: string;
  declined: Question | undefined;
}

/** ssh itself ends with this when it fails; any other code is the far command's. */
const sshFailed = 255;

export function loginFailure(login: LoginEnd): ThinClonesError {
  const { host, end, noise } = login;
  const words = lastWords(`${noise}\n${end.stderr}`);
  if (end.code !== null && end.code !== sshFailed)
    return fail('host_shell', {
      host,
      problem: words === '' ? `the login shell ended with exit code ${end.code}.` : words,
    });
  const said = plainLines(end.stderr);
  // From the last line on: a banner, which the host writes as it likes, comes before what ssh says at its end.
  for (const line of said.toReversed())
    for (const { pattern, failure } of rules) {
      const match = pattern.exec(line);
      if (match !== null) return failure(login, match, said);
    }
  return fail('host_unreachable', { host, problem: words === '' ? 'ssh ended without a word.' : words });
}

interface Rule {
  pattern: RegExp;
  failure: (login: LoginEnd, match: RegExpExecArray, said: readonly string[]) => ThinClonesError;
}

const rules: readonly Rule[] = [
  {
    pattern: /^Host key verification failed\.?$/,
    failure: ({ host, address, declined }, _match, said) => {
      if (said.some((line) => /REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY DETECTED/.test(line)))
        return fail('host_key_changed', {
          host,
          problem: said.find((line) => line.startsWith('Offending ')) ?? 'Its key changed.',
        });
      const fingerprint = declined?.fingerprint;
      return fail('host_key_unknown', {
        host,
        address: formatSshAddress(address),
        ...(fingerprint !== undefined && { fingerprint }),
      });
    },
  },
  {
    pattern: /^ssh: Could not resolve hostname ([^:]*)/i,
    failure: ({ host, address }, match) => fail('host_dns', { host, name: match[1] ?? address.host }),
  },
  {
    pattern: /^(ssh: connect to host|channel \d+: open failed:) .*Connection refused/,
    failure: ({ host }, match) => fail('host_refused', { host, problem: match.input }),
  },
  {
    pattern: /^(ssh: connect to host .*|Connection .*|Timeout, server .*)(timed out|not responding)/,
    failure: ({ host }, match) => fail('host_timeout', { host, problem: match[0] }),
  },
  {
    pattern: /(?:^|: )Permission denied \(([^)]*)\)\.?$|Too many authentication failures/,
    failure: ({ host, address }, match) =>
      fail('host_login', {
        host,
        address: formatSshAddress(address),
        problem:
          match[1] === undefined
            ? 'too many keys were offered'
            : `it takes ${match[1].replaceAll(',', ', ')}`,
      }),
  },
];
