/** Sums up what is said about the migrations of a checkout: for tree, status bar and hover. */
import type { MigrationReport } from '../../engine/protocol/migrationReport.ts';
import { migrationToolTitles } from '../../engine/protocol/migrationTools.ts';

export interface MigrationSummary {
  readonly reports: readonly MigrationReport[];
  /** "2 pending, 1 edited after applied"; undefined when there is nothing to do. */
  readonly trouble: string | undefined;
  /** "Prisma: in step"; undefined when no tool was recognised. */
  readonly line: string | undefined;
}

const counted = (count: number, word: string): string | undefined =>
  count === 0 ? undefined : `${count} ${word}`;

function troubleIn(reports: readonly MigrationReport[]): string | undefined {
  const sum = (key: 'pending' | 'missing' | 'edited' | 'failed'): number =>
    reports.reduce((total, { counts }) => total + counts[key], 0);
  const parts = [
    counted(sum('failed'), 'failed'),
    counted(sum('pending'), 'pending'),
    counted(sum('missing'), 'not in this branch'),
    counted(sum('edited'), 'edited after applied'),
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(', ');
}

export function summaryOf(reports: readonly MigrationReport[]): MigrationSummary {
  const told = reports.filter(({ tool }) => tool !== null);
  const names = new Set(told.map(({ tool }) => (tool === null ? '' : migrationToolTitles[tool])));
  const trouble = troubleIn(told);
  const unknown = told.find(({ state }) => state === 'unknown');
  const state = trouble ?? (unknown === undefined ? 'in step' : (unknown.problem ?? unknown.message));
  return {
    reports,
    trouble,
    line: told.length === 0 ? undefined : `${[...names].join(', ')}: ${state}`,
  };
}
