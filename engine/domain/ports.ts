/** Which port a checkout's member gets: the same one each time, also after everything that was remembered is lost. */

/**
 * Below the ranges that operating systems give to outgoing connections (Linux from 32768, others from 49152), so that
 * nothing takes one by chance while no engine runs.
 */
export const firstPort = 20_000;
export const portCount = 10_000;

/** FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

/** Ports to try, in order: the one that follows from the text, then those after it, without those in use. */
export function* portsFor(text: string, used: ReadonlySet<number>): Generator<number> {
  const start = hash(text) % portCount;
  for (let step = 0; step < portCount; step++) {
    const port = firstPort + ((start + step) % portCount);
    if (!used.has(port)) yield port;
  }
}
