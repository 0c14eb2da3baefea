/** How CONNECT names what a tunnel leads to: a member's server of a clone of the host, and nothing else. */
import type { CloneId, MemberName } from '../protocol/ids.ts';
import { idPattern, isMemberName } from '../protocol/names.ts';

export interface TunnelTarget {
  clone: CloneId;
  member: MemberName;
}

/** `CLONE-ID.MEMBER`, percent-encoded. */
export const writeTunnel = ({ clone, member }: TunnelTarget): string =>
  `${clone}.${encodeURIComponent(member)}`;

const cloneId = idPattern('clone');

/** Undefined for anything that is no such name. */
export function readTunnel(authority: string): TunnelTarget | undefined {
  const at = authority.indexOf('.');
  const clone = authority.slice(0, Math.max(at, 0));
  const member = decode(authority.slice(at + 1));
  // What the schemas of both look for, without loading them: a bridge starts as fast as it loads little.
  return cloneId.test(clone) && isMemberName(member)
    ? { clone: clone as CloneId, member: member as MemberName }
    : undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return ''; // not encoded by us: no name
  }
}
