/** Lists what a zip file (a VSIX) holds, with Unix modes, from its central directory. */
import { readFile } from 'node:fs/promises';

export interface ZipEntry {
  readonly name: string;
  /** Permission bits; 0 when the entry was not written as a Unix file. */
  readonly mode: number;
  readonly isLink: boolean;
  readonly bytes: number;
  readonly packedBytes: number;
}

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const END_SIZE = 22;
const ENTRY_SIZE = 46;
const LINK_TYPE = 0o120000;
const TYPE_MASK = 0o170000;

/** For files below 4 GB (no zip64), see APPNOTE.TXT sections 4.3.12 and 4.3.16. */
export async function zipListing(file: string): Promise<readonly ZipEntry[]> {
  const zip = await readFile(file);
  let end = zip.length - END_SIZE;
  while (end >= 0 && zip.readUInt32LE(end) !== END_SIGNATURE) end -= 1;
  if (end < 0) throw new Error(`${file} is not a zip file.`);
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  const entries: ZipEntry[] = [];
  for (let index = 0; index < count; index += 1) {
    if (zip.readUInt32LE(at) !== ENTRY_SIGNATURE) throw new Error(`${file} has a damaged directory.`);
    const nameLength = zip.readUInt16LE(at + 28);
    const mode = zip.readUInt32LE(at + 38) >>> 16;
    entries.push({
      name: zip.toString('utf8', at + ENTRY_SIZE, at + ENTRY_SIZE + nameLength),
      mode: mode & 0o777,
      isLink: (mode & TYPE_MASK) === LINK_TYPE,
      bytes: zip.readUInt32LE(at + 24),
      packedBytes: zip.readUInt32LE(at + 20),
    });
    at += ENTRY_SIZE + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return entries;
}
