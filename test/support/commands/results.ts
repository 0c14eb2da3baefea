/** Turns what a suite's processes wrote into counts: our reporter's lines, or the text of mocha's spec reporter. */
import { existsSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import type { Skip } from '../skips.ts';

export interface Failure {
  readonly title: string;
  readonly error: string;
}

export interface Counts {
  readonly passed: number;
  readonly failures: readonly Failure[];
  /** Full titles of tests that did not run. */
  readonly pending: readonly string[];
}

const lineSchema = z.object({
  passes: z.number(),
  failures: z.array(z.object({ title: z.string(), error: z.string() })),
  pending: z.array(z.string()),
});
const skipSchema = z.object({ suite: z.string(), reason: z.string() });

function readLines<T>(file: string, schema: z.ZodType<T>): T[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => schema.parse(JSON.parse(line)));
}

/** Undefined when no mocha of ours wrote into the file. */
export function readResults(file: string): Counts | undefined {
  const lines = readLines(file, lineSchema);
  if (lines.length === 0) return undefined;
  return {
    passed: lines.reduce((sum, line) => sum + line.passes, 0),
    failures: lines.flatMap((line) => line.failures),
    pending: lines.flatMap((line) => line.pending),
  };
}

export function readSkips(file: string): readonly Skip[] {
  return readLines(file, skipSchema);
}

/** What a normal run leaves to a long one. */
export function readLeft(file: string): readonly string[] {
  return readLines(file, z.string());
}

/** For mocha inside VS Code, which only hands its text out. Undefined without a summary in it. */
export function parseSpecText(text: string): Counts | undefined {
  const plain = text.replaceAll(/\u001b\[[\d;]*m/g, '');
  const count = (word: string): number | undefined => {
    const matches = [...plain.matchAll(new RegExp(`^ {2}(\\d+) ${word}\\b`, 'gm'))];
    return matches.length === 0 ? undefined : matches.reduce((sum, [, digits]) => sum + Number(digits), 0);
  };
  const passed = count('passing');
  if (passed === undefined) return undefined;
  const failing = count('failing') ?? 0;
  const details = plain.slice(plain.search(/^ {2}\d+ failing/m));
  return {
    passed,
    failures: Array.from({ length: failing }, (_, index) => ({
      title: firstLine(details, index + 1),
      error: index === 0 ? details.trim() : 'see above',
    })),
    pending: Array.from({ length: count('pending') ?? 0 }, () => 'a test inside VS Code'),
  };
}

function firstLine(details: string, number: number): string {
  const start = details.search(new RegExp(`^ {2}${number}\\) `, 'm'));
  if (start < 0) return `failure ${number}`;
  const [block = ''] = details.slice(start).split(/:\n/, 1);
  return block
    .replace(/^ *\d+\) /, '')
    .split('\n')
    .map((line) => line.trim())
    .join(' ');
}
