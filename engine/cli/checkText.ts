/** One thing that was found on a host, for people. */
import type { DoctorCheck } from '../protocol/entities.ts';
import { printable } from './format.ts';

const marks = { ok: 'ok', unused: '-', warning: 'warning', problem: 'PROBLEM' } as const;

export const checkText = ({ name, status, message, fix, advice }: DoctorCheck): string =>
  [
    `${marks[status].padEnd(9)}${printable(name)}: ${printable(message)}`,
    ...(fix === null ? [] : [`${''.padEnd(9)}run: ${printable(fix)}`]),
    ...(advice === undefined || advice === null ? [] : [`${''.padEnd(9)}${printable(advice)}`]),
  ].join('\n');
