/** Sizes, times and tables as people read them in a terminal. */
import { stripVTControlCharacters } from 'node:util';

const units = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** 1,000-based, as disks are sold: "842 MB", "3.1 GB"; "-" while unknown. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null) return '-';
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** "250 ms", "4.2 s", "3 min", "2 h", "5 d". */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = ms / 60_000;
  if (minutes < 59.5) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  if (hours < 47.5) return `${Math.round(hours)} h`;
  return `${Math.round(hours / 24)} d`;
}

/** "just now", "5 min ago"; "-" for no time. */
export function formatAge(time: string | null, now: number): string {
  if (time === null) return '-';
  const ms = now - Date.parse(time);
  return ms < 1000 ? 'just now' : `${formatDuration(ms)} ago`;
}

/** One line that can't move the cursor, colour the rest, turn the writing or fake another line: data names and log lines come from outside. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    ' ',
  );
}

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;
let segmenter: Intl.Segmenter | undefined;
/** Columns that a text takes in a terminal. */
export function columnsOf(text: string): number {
  // Most text is this, and to make a segmenter takes as long as a third of Node's own start.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  segmenter ??= new Intl.Segmenter('en');
  let columns = 0;
  for (const { segment } of segmenter.segment(text)) columns += wide.test(segment) ? 2 : 1;
  return columns;
}

const pad = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, columns - columnsOf(text)));

/** Wider than this, and than twice what is usual in its column, a cell makes its own row longer and not all of them. */
const wideCell = 32;

function columnWidth(heading: number, cells: readonly number[]): number {
  const usual = [...cells].sort((one, other) => one - other)[Math.floor(cells.length / 2)] ?? 0;
  return Math.max(heading, ...cells.filter((cell) => cell <= wideCell || cell <= 2 * usual));
}

/** Columns two spaces apart, under a heading; the last one is not padded. */
export function formatTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heading, ...rows.map((row) => row.map(printable))];
  const widths = heading.map((title, column) =>
    columnWidth(
      columnsOf(title),
      lines.slice(1).map((line) => columnsOf(line[column] ?? '')),
    ),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === line.length - 1 ? cell : pad(cell, widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** "name:    value" lines with the values under each other. */
export function formatFields(fields: readonly (readonly [string, string])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length)) + 2;
  return fields.map(([name, value]) => `${`${name}:`.padEnd(width)}${printable(value)}`).join('\n');
}
