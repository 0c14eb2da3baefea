/** Words for what a comparison of a copy with its source found. */
import type { Comparison, Difference } from './entities.ts';

/** "no differences", "3 differences"; undefined: nothing was compared. */
export function comparisonText(comparison: Comparison | undefined): string | undefined {
  if (comparison === undefined) return undefined;
  const { total } = comparison;
  return total === 0 ? 'no differences' : total === 1 ? '1 difference' : `${total} differences`;
}

export const differenceText = ({ kind, object, what, rule }: Difference): string =>
  `${kind} ${object}: ${what} (${rule ?? 'nothing explains this'})`;

/** One line for each difference that is listed, and what else is to be said. */
export function comparisonLines({ total, differences, problem }: Comparison): string[] {
  const more = total - differences.length;
  return [
    ...differences.map(differenceText),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...(problem === null ? [] : [`not everything was compared: ${problem}`]),
  ];
}
