/** Turns what is known about migrations into findings on their files, without VS Code. */
import type { Checkout } from '../../engine/protocol/entities.ts';
import type { MigrationReport } from '../../engine/protocol/migrationReport.ts';
import { headText } from './checkoutText.ts';

export interface Finding {
  /** Relative to the checkout, with `/`. */
  readonly file: string;
  readonly kind: 'pending' | 'edited' | 'failed' | 'outOfOrder';
  readonly severity: 'information' | 'warning';
  readonly message: string;
}

/** Several hundred pending ones say no more than a hundred do. */
const most = 100;

export function findingsOf(checkout: Checkout, reports: readonly MigrationReport[]): Finding[] {
  const database = `the database of ${headText(checkout)}`;
  const late = new Set(reports.flatMap(({ outOfOrder }) => outOfOrder.map(({ file }) => file)));
  const findings = reports.flatMap((report): Finding[] => [
    ...report.failed.flatMap(({ file, problem }): Finding[] =>
      file === null
        ? []
        : [{ file, kind: 'failed', severity: 'warning', message: `It failed in ${database}: ${problem}` }],
    ),
    ...report.edited.map(({ file }): Finding => ({
      file,
      kind: 'edited',
      severity: 'warning',
      message: `Changed after it was applied to ${database}, which still has what it said before.`,
    })),
    ...report.pending.map(({ file }): Finding => {
      const outOfOrder = late.has(file);
      return {
        file,
        kind: outOfOrder ? 'outOfOrder' : 'pending',
        severity: outOfOrder ? 'warning' : 'information',
        message: outOfOrder
          ? `Not applied to ${database}, and it comes before one that is.`
          : `Not applied to ${database} yet.`,
      };
    }),
  ]);
  return findings.slice(0, most);
}
