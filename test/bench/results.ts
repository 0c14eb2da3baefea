/** The benchmark's document: results with percentiles, the floor of the same run, and the goal. */
import { arch, cpus, release, totalmem } from 'node:os';
import { formatBytes, formatMs, formatTable, green, red } from '../support/commands/terminal.ts';

export type Unit = 'ms' | 'us' | 'bytes';

export interface Result {
  readonly name: string;
  readonly unit: Unit;
  /** How many times it was measured. */
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  /** p50 of the least that is possible, taken between the runs; null where there is no such thing. */
  readonly floor: number | null;
  /** p50, or p95 where that is asked for, may be this much; null where nothing is. */
  readonly goal: number | null;
  /** null without a goal. */
  readonly met: boolean | null;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly kernel: string;
  readonly node: string;
  readonly postgres: string;
}

export interface Document {
  readonly machine: Machine;
  readonly results: readonly Result[];
}

export function describeMachine(postgres: string): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    platform: `${process.platform}-${arch()}`,
    kernel: release(),
    node: process.version,
    postgres,
  };
}

/** Nearest rank: the smallest value that at least this share of the values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export interface Measured {
  readonly name: string;
  readonly unit?: Unit;
  readonly values: readonly number[];
  readonly floor?: number;
  readonly goal?: number;
  /** What the goal is for; default p50. */
  readonly goalFor?: 'p50' | 'p95';
}

export function resultOf({ name, unit = 'ms', values, floor, goal, goalFor = 'p50' }: Measured): Result {
  const round = (value: number): number => (unit === 'ms' ? Math.round(value * 10) / 10 : Math.round(value));
  const p50 = round(percentile(values, 0.5));
  const p95 = round(percentile(values, 0.95));
  return {
    name,
    unit,
    n: values.length,
    p50,
    p95,
    floor: floor === undefined ? null : round(floor),
    goal: goal === undefined ? null : round(goal),
    met: goal === undefined ? null : (goalFor === 'p95' ? p95 : p50) <= round(goal),
  };
}

export function tableOf(results: readonly Result[]): string {
  const formats = { ms: formatMs, us: (us: number) => `${us} µs`, bytes: formatBytes };
  const show = (value: number | null, unit: Unit): string => (value === null ? '' : formats[unit](value));
  const rows = results.map(({ name, unit, n, p50, p95, floor, goal, met }) => [
    name,
    String(n),
    show(p50, unit),
    show(p95, unit),
    show(floor, unit),
    show(goal, unit),
    met === null ? '' : met ? green('met') : red('missed'),
  ]);
  return formatTable([['', 'n', 'p50', 'p95', 'floor', 'goal', ''], ...rows], 6);
}
