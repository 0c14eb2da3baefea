/** The address of a host that is reached by ssh, as data: nothing in it can become an option or a command of ssh. */
import { fail } from './errors.ts';

export interface SshAddress {
  user?: string;
  /** A name of the ssh configuration, a host name, or an IP address without brackets. */
  host: string;
  port?: number;
}

/**
 * A configuration may hand user and host to a shell (ProxyCommand with %r and %h): no character that means something to
 * one may be in them, and none that makes an option of them.
 */
const userPattern = /^[A-Za-z0-9_][A-Za-z0-9_.+@-]*(\\[A-Za-z0-9_][A-Za-z0-9_.+-]*)?$/;
const hostPattern = /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/;
const ipv6Pattern = /^([0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)(?:%[A-Za-z0-9_.-]+)?$/;
const longestHost = 253;
const longestUser = 64;

/** Reads `ssh://[user@]host[:port]` or `[user@]name`. Errors: `host_address`. */
export function parseSshAddress(text: string): SshAddress {
  const refuse = (problem: string) => fail('host_address', { address: shown(text), problem });
  const url = /^ssh:\/\//i.test(text);
  const rest = url ? text.slice('ssh://'.length).replace(/\/$/, '') : text;
  if (/[\p{Cc}\p{Cf}\p{Z}]/u.test(rest)) throw refuse('it has a space or a control character');
  if (!url && /^[a-z][a-z0-9+.-]*:\/\//i.test(rest)) throw refuse('it is of another kind than ssh://');
  const at = rest.lastIndexOf('@');
  const user = at === -1 ? undefined : rest.slice(0, at);
  const place = rest.slice(at + 1);
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(place);
  const plain = url ? /^([^:]*)(?::(.*))?$/.exec(place) : /^([^:]*)$/.exec(place);
  const [, host = '', digits] = bracketed ?? plain ?? [];
  if (host === '')
    throw refuse(
      place.includes(':') && bracketed === null
        ? 'an IPv6 address stands in brackets, and a port only after ssh://HOST'
        : 'it names no host',
    );
  if (host.startsWith('-') || user?.startsWith('-') === true) throw refuse('it begins with a dash');
  if (host.length > longestHost || (user?.length ?? 0) > longestUser) throw refuse('it is too long');
  if (bracketed !== null && !isIpv6(host)) throw refuse('what stands in its brackets is no IPv6 address');
  if (bracketed === null && !hostPattern.test(host))
    throw refuse(
      /[^\p{ASCII}]/u.test(host)
        ? 'a name with other letters than those of ASCII is written as xn--…'
        : 'its host has a character that no host name has',
    );
  if (user !== undefined && !userPattern.test(user))
    throw refuse(
      user.includes(':')
        ? 'a password never stands in an address'
        : 'its user has a character that is not taken here; set it as User in your ssh configuration',
    );
  const port = digits === undefined ? undefined : portOf(digits);
  if (digits !== undefined && port === undefined) throw refuse('its port is none from 1 to 65535');
  return { ...(user !== undefined && { user }), host, ...(port !== undefined && { port }) };
}

/** With the zone of a link-local one. */
function isIpv6(text: string): boolean {
  const [, address] = ipv6Pattern.exec(text) ?? [];
  return address !== undefined && URL.canParse(`http://[${address}]/`);
}

function portOf(digits: string): number | undefined {
  if (!/^[0-9]{1,5}$/.test(digits)) return undefined;
  const port = Number(digits);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** One way to write an address; reading it gives the same. */
export function formatSshAddress({ user, host, port }: SshAddress): string {
  const place = host.includes(':') ? `[${host}]` : host;
  return `ssh://${user === undefined ? '' : `${user}@`}${place}${port === undefined ? '' : `:${port}`}`;
}

/** What was typed, so that it can't move a cursor. */
function shown(text: string): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{FFFD}');
  return plain.length > 100 ? `${plain.slice(0, 100)}…` : plain;
}
