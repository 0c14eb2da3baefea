/** A rising list of serial numbers that grows at its end and is cut at its start: 4 bytes each. */

export interface SerialList {
  readonly length: number;
  push(serial: number): void;
  at(index: number): number;
  /** Forgets the numbers below. */
  dropBelow(serial: number): void;
  /** Index of the first number that is at least this. */
  indexOf(serial: number): number;
  clear(): void;
}

export function createSerialList(): SerialList {
  let numbers = new Uint32Array(64);
  let start = 0;
  let end = 0;
  const indexOf = (serial: number): number => {
    let low = start;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((numbers[middle] ?? 0) < serial) low = middle + 1;
      else high = middle;
    }
    return low - start;
  };
  return {
    get length() {
      return end - start;
    },
    push(serial) {
      if (end === numbers.length) {
        const held = numbers.subarray(start, end);
        const larger = start > end / 2 ? numbers : new Uint32Array(Math.ceil(numbers.length * 1.5));
        larger.set(held);
        numbers = larger;
        end -= start;
        start = 0;
      }
      numbers[end] = serial;
      end += 1;
    },
    at(index) {
      if (index < 0 || index >= end - start) throw new RangeError(`no entry ${index}`);
      return numbers[start + index] ?? 0;
    },
    dropBelow(serial) {
      start += indexOf(serial);
    },
    indexOf,
    clear() {
      start = 0;
      end = 0;
    },
  };
}
