/** Reports a part of the way as a whole one. */
import type { Reporter } from './database.ts';

/** A part of the way, as a reporter of its own; the whole never falls because each part starts where another ended. */
export function portion(report: Reporter, from: number, to: number): Reporter {
  let highest = 0;
  return {
    line: (text, level) => report.line(text, level),
    phase: (name) => report.phase(name),
    progress: (fraction) => {
      highest = Math.max(highest, Math.min(1, Math.max(0, fraction)));
      report.progress(from + highest * (to - from));
    },
  };
}
