/** Jobs and lines for tests of the job page. */
import type { Job, JobLine } from '../../../engine/protocol/entities.ts';
import { environmentNameSchema, jobIdSchema } from '../../../engine/protocol/ids.ts';

export const jobId = jobIdSchema.parse('job-abcdefghijklmnop');
const startOfTime = Date.UTC(2026, 10, 20, 9, 0, 0);
export const at = (seconds: number): string => new Date(startOfTime + seconds * 1000).toISOString();

export function jobOf(changes: Partial<Job> = {}): Job {
  return {
    id: jobId,
    type: 'clone.reset',
    title: 'Reset clone feature/a',
    state: 'running',
    createdBy: 'anna',
    createdAt: at(0),
    startedAt: at(0),
    endedAt: null,
    progress: 0.4,
    error: null,
    tasks: [],
    environment: environmentNameSchema.parse('shop'),
    object: { kind: 'clone', id: 'clone-abcdefghijklmnop', name: 'feature/a' },
    cancellable: true,
    ...changes,
  };
}

export function lineOf(line: number, changes: Partial<JobLine> = {}): JobLine {
  return {
    job: jobId,
    line,
    at: at(line / 10),
    task: 'copy',
    level: 'info',
    text: `line ${line}`,
    ...changes,
  };
}
