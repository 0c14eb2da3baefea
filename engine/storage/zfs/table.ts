/** Reads what `zfs` and `zpool` print with -H -p: a line for each thing, fields parted by one tab. */
import { fail } from '../../protocol/errors.ts';

/** Errors: storage_failed for a line with another number of fields than was asked for. */
export function parseTable<const Columns extends readonly string[]>(
  stdout: string,
  columns: Columns,
): Record<Columns[number], string>[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split('\t');
      if (fields.length !== columns.length) {
        throw fail('storage_failed', {
          storage: 'zfs',
          problem: `it printed ${fields.length} fields where ${columns.length} were asked for: ${JSON.stringify(line.slice(0, 300))}`,
        });
      }
      return Object.fromEntries(columns.map((column, index) => [column, fields[index]])) as Record<
        Columns[number],
        string
      >;
    });
}

/** A property that is not set is told as "-", and an empty list as nothing. */
export const isSet = (value: string): boolean => value !== '-' && value !== '';

/** Of a field such as "1.85" or "1.85x"; undefined for anything else. */
export const ratioOf = (value: string): number | undefined =>
  /^[1-9]\d*(\.\d+)?x?$/.test(value) ? Number.parseFloat(value) : undefined;

/** Of a field that counts bytes or transactions. */
export function numberOf(value: string): number {
  if (/^\d+$/.test(value)) return Number(value);
  throw fail('storage_failed', {
    storage: 'zfs',
    problem: `it printed ${JSON.stringify(value)} for a number`,
  });
}
