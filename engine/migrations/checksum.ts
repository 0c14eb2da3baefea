/** Digests of a file's content that stay the same when Git changed its line ends. */
import { createHash } from 'node:crypto';

export type Digest = 'md5' | 'sha1' | 'sha256' | 'sha384';

/** In hexadecimal: of the content as it is, with LF, and with CRLF line ends. */
export function digests(content: Uint8Array, algorithm: Digest): string[] {
  // Each byte one character and back, so that nothing but line ends changes.
  const text = Buffer.from(content).toString('latin1');
  const unix = text.replaceAll('\r\n', '\n');
  return [...new Set([text, unix, unix.replaceAll('\n', '\r\n')])].map((each) =>
    createHash(algorithm).update(Buffer.from(each, 'latin1')).digest('hex'),
  );
}
