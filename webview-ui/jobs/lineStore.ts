/**
 * Holds the lines of a log compactly: UTF-8 in blocks beside a few typed arrays, 14 bytes and the text for each line.
 * As JavaScript objects a million lines of 60 characters take over 200 MB. Past `textBudget` the oldest block is dropped.
 */
import { levels, type Level, type PageLine } from './messages.ts';

export interface StoredLine {
  readonly line: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly level: Level;
  readonly text: string;
}

export interface LineStore {
  /** Serial numbers count the lines that came in, from 0; those from `first` to before `end` are held. */
  readonly first: number;
  readonly end: number;
  /** Number of the newest line; 0 for none. */
  readonly lastLine: number;
  /** Bytes held. */
  readonly bytes: number;
  /** Takes a line unless its number is not above the newest; answers whether it was taken. */
  append(line: PageLine, group: number): boolean;
  read(serial: number): StoredLine;
  group(serial: number): number;
  level(serial: number): Level;
  lineNumber(serial: number): number;
  /** Serial of the first held line whose number is at least this; `end` when there is none. */
  find(line: number): number;
}

const blockLines = 4096;
const defaultTextBudget = 60_000_000;
/** A longer line is cut: nobody reads it, and one line must not fill the memory. */
const longestText = 16_384;

interface Block {
  text: Uint8Array<ArrayBuffer>;
  readonly ends: Uint32Array;
  readonly numbers: Uint32Array;
  /** Milliseconds after the first line's time. */
  readonly times: Uint32Array;
  /** Two bits of level, then the group. */
  readonly meta: Uint16Array;
}

const perLine = 4 + 4 + 4 + 2;

export function createLineStore(textBudget = defaultTextBudget): LineStore {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const blocks: Block[] = [];
  let droppedBlocks = 0;
  let end = 0;
  let lastLine = 0;
  let textBytes = 0;
  let epoch: number | undefined;

  const blockOf = (serial: number): Block => {
    const block = blocks[Math.floor(serial / blockLines) - droppedBlocks];
    if (block === undefined || serial >= end) throw new RangeError(`line ${serial} is not held`);
    return block;
  };
  const used = (block: Block, index: number): number => (index === 0 ? 0 : (block.ends[index - 1] ?? 0));

  const write = (block: Block, at: number, text: string): number => {
    for (;;) {
      const { read, written } = encoder.encodeInto(text, block.text.subarray(at));
      if (read === text.length) return at + written;
      const larger = new Uint8Array(Math.max(block.text.length * 2, at + text.length * 3));
      larger.set(block.text.subarray(0, at));
      textBytes += larger.length - block.text.length;
      block.text = larger;
    }
  };

  const startBlock = (): Block => {
    const full = blocks.at(-1);
    if (full !== undefined) {
      const exact = full.text.slice(0, full.ends[blockLines - 1]);
      textBytes += exact.length - full.text.length;
      full.text = exact;
    }
    const block: Block = {
      text: new Uint8Array(65_536),
      ends: new Uint32Array(blockLines),
      numbers: new Uint32Array(blockLines),
      times: new Uint32Array(blockLines),
      meta: new Uint16Array(blockLines),
    };
    textBytes += block.text.length;
    blocks.push(block);
    return block;
  };

  const first = (): number => droppedBlocks * blockLines;

  return {
    get first() {
      return first();
    },
    get end() {
      return end;
    },
    get lastLine() {
      return lastLine;
    },
    get bytes() {
      return textBytes + blocks.length * blockLines * perLine;
    },
    append(line, group) {
      if (line.line <= lastLine) return false;
      const index = end % blockLines;
      const block = index === 0 ? startBlock() : blockOf(end - 1);
      const time = Date.parse(line.at);
      if (epoch === undefined && !Number.isNaN(time)) epoch = time;
      const text =
        line.text.length > longestText
          ? `${line.text.slice(0, longestText)}… (${line.text.length - longestText} more characters)`
          : line.text;
      block.ends[index] = write(block, used(block, index), text);
      block.numbers[index] = line.line;
      block.times[index] = Number.isNaN(time) ? 0 : Math.max(0, time - (epoch ?? time));
      block.meta[index] = levels.indexOf(line.level) | (Math.min(group, 16_383) << 2);
      end += 1;
      lastLine = line.line;
      while (textBytes > textBudget && blocks.length > 1) {
        textBytes -= blocks.shift()?.text.length ?? 0;
        droppedBlocks += 1;
      }
      return true;
    },
    read(serial) {
      const block = blockOf(serial);
      const index = serial % blockLines;
      return {
        line: block.numbers[index] ?? 0,
        at: (epoch ?? 0) + (block.times[index] ?? 0),
        level: levels[(block.meta[index] ?? 0) & 3] ?? 'info',
        text: decoder.decode(block.text.subarray(used(block, index), block.ends[index])),
      };
    },
    group: (serial) => (blockOf(serial).meta[serial % blockLines] ?? 0) >> 2,
    level: (serial) => levels[(blockOf(serial).meta[serial % blockLines] ?? 0) & 3] ?? 'info',
    lineNumber: (serial) => blockOf(serial).numbers[serial % blockLines] ?? 0,
    find(line) {
      let low = first();
      let high = end;
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        if ((blockOf(middle).numbers[middle % blockLines] ?? 0) < line) low = middle + 1;
        else high = middle;
      }
      return low;
    },
  };
}
