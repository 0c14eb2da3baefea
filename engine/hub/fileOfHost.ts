/** The file in which is kept what a host holds. */
import { createHash } from 'node:crypto';
import type { HostName } from '../protocol/ids.ts';

/** Of the encoded name: file systems take 255 bytes, and a name may have 512. */
const mostLetters = 200;

/** By an encoded name: letters of all scripts and case may differ in what a file system takes for the same. */
export function fileOfHost(name: HostName): string {
  const encoded = Buffer.from(name).toString('hex');
  const short =
    encoded.length <= mostLetters ? encoded : `long-${createHash('sha256').update(name).digest('hex')}`;
  return `${short}.json`;
}
