/** The marked block of variables in the text of a `.env` file: puts it in, keeps it right, takes it out; every other byte stays. */
import { quoted } from '../protocol/envValue.ts';

export const blockStart = '# >>> thin-clones (kept up to date; changes here are overwritten)';
export const blockEnd = '# <<< thin-clones';

/** The new text, or why the old one is left as it is, for people. */
export type EnvText = { text: string } | { problem: string };

const startLine = /^\ufeff?[ \t]*# >>> thin-clones\b/;
const endLine = /^\ufeff?[ \t]*# <<< thin-clones\b/;

interface Block {
  /** Where its first line begins, and where what follows its last line begins. */
  from: number;
  to: number;
}

/** Null: there is none. */
function findBlock(text: string): Block | { problem: string } | null {
  const starts: { line: number; at: number }[] = [];
  const ends: { line: number; after: number }[] = [];
  let at = 0;
  for (const [index, line] of (text.match(/[^\n]*(?:\n|$)/g) ?? []).entries()) {
    if (startLine.test(line)) starts.push({ line: index + 1, at: at + (line.startsWith('\ufeff') ? 1 : 0) });
    if (endLine.test(line)) ends.push({ line: index + 1, after: at + line.length });
    at += line.length;
  }
  const [start, ...moreStarts] = starts;
  const [end, ...moreEnds] = ends;
  if (start === undefined && end === undefined) return null;
  const places = (found: readonly { line: number }[]) => found.map(({ line }) => String(line)).join(' and ');
  if (moreStarts.length > 0 || moreEnds.length > 0)
    return {
      problem: `the marks of the thin-clones block are there more than once (lines ${places(moreStarts.length > 0 ? starts : ends)}): remove the lines of one of them`,
    };
  if (start === undefined || end === undefined)
    return {
      problem:
        end === undefined
          ? `the thin-clones block that begins in line ${start?.line ?? 0} has no end mark ("${blockEnd}"): remove what is left of it`
          : `the thin-clones block that ends in line ${end.line} has no beginning mark: remove what is left of it`,
    };
  if (end.line < start.line)
    return {
      problem: `the end mark of the thin-clones block (line ${end.line}) stands before its beginning (line ${start.line}): remove both`,
    };
  return { from: start.at, to: end.after };
}

/** The first line break in a text. After a "\r" at its very end only "\r\n" can be told apart from what was there. */
const lineBreakOf = (text: string): string =>
  text.endsWith('\r') || /\r?\n/.exec(text)?.[0] === '\r\n' ? '\r\n' : '\n';

/** With the block in the place of the one that is there, else at the end. Names are those of `variableNameSchema`. */
export function withBlock(text: string, variables: Readonly<Record<string, string>>): EnvText {
  const block = findBlock(text);
  if (block !== null && 'problem' in block) return block;
  const lines = [blockStart];
  for (const [name, value] of Object.entries(variables)) {
    const written = quoted(value);
    if (written === null)
      return {
        problem: `the value of ${name} can't be written so that every program reads the same (line breaks, or quotes together with other special characters)`,
      };
    lines.push(`${name}=${written}`);
  }
  lines.push(blockEnd);
  const lineBreak = lineBreakOf(block === null ? text : text.slice(block.from, block.to));
  const written = lines.join(lineBreak);
  const isOpen = (before: string): boolean => !/(^\ufeff?|\n)$/.test(before);
  if (block === null) {
    // A text whose last line has no line break gets a block whose last line has none: so it can be taken out again.
    return { text: isOpen(text) ? `${text}${lineBreak}${written}` : `${text}${written}${lineBreak}` };
  }
  const endsOpen = !text.slice(block.from, block.to).endsWith('\n');
  return {
    text: `${text.slice(0, block.from)}${written}${endsOpen ? '' : lineBreak}${text.slice(block.to)}`,
  };
}

export function withoutBlock(text: string): EnvText {
  const block = findBlock(text);
  if (block === null) return { text };
  if ('problem' in block) return block;
  const before = text.slice(0, block.from);
  const endsOpen = !text.slice(block.from, block.to).endsWith('\n');
  return { text: `${endsOpen ? before.replace(/\r?\n$/, '') : before}${text.slice(block.to)}` };
}
