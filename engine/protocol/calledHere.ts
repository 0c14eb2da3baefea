/** How people call a clone of another host, and where its servers are: its own ports lead to nothing on this machine. */
import type { Clone } from './entities.ts';

type Told = Pick<Clone, 'name' | 'members'>;

/** The host of its servers; undefined: this machine. */
export const hostOfClone = ({ members }: Pick<Clone, 'members'>): string | undefined =>
  members.find(({ host }) => host !== '127.0.0.1')?.host;

/** `HOST/NAME` of another host. */
export function calledHere(clone: Told): string {
  const host = hostOfClone(clone);
  return host === undefined ? clone.name : `${host}/${clone.name}`;
}
