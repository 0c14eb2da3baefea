/** Chance that can be repeated: the seed is printed with what fails. */

/** Numbers from 0 to 1 (mulberry32, public domain). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function seededBytes(seed: number, length: number): Uint8Array {
  const random = seeded(seed);
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** `THIN_CLONES_SEED` repeats a run; else each run is another. */
export function chooseSeed(): number {
  const wanted = Number(process.env['THIN_CLONES_SEED']);
  return Number.isInteger(wanted) && wanted > 0 ? wanted : Math.floor(Math.random() * 2 ** 31) + 1;
}
