/**
 * What the job page and the extension say to each other, and what the page leaves behind for a reload: one schema each.
 * Runs in both places and in tests. It is written with zod/mini: the protocol's own schemas bring all of zod, 94 KB
 * gzipped, which is more than the whole page may weigh. The types at the end keep the two together.
 */
import * as z from 'zod/mini';
import type { Job, JobLine } from '../../engine/protocol/entities.ts';

/** The engine answers at most 5000 lines at once; nothing sends more in one message. */
export const linesInMessage = 5000;

const jobIdSchema = z.string().check(z.regex(/^job-[a-z2-7]{16}$/));
const problemSchema = z.object({ message: z.string(), next: z.string() });
export type Problem = z.output<typeof problemSchema>;

const pageTaskSchema = z.object({
  name: z.string(),
  state: z.enum(['pending', 'running', 'succeeded', 'failed', 'undone', 'skipped']),
  progress: z.nullable(z.number().check(z.minimum(0), z.maximum(1))),
  phase: z.optional(z.string()),
  startedAt: z.nullable(z.string()),
  endedAt: z.nullable(z.string()),
});
export type PageTask = z.output<typeof pageTaskSchema>;

const pageJobSchema = z.object({
  id: jobIdSchema,
  title: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  createdBy: z.string(),
  createdAt: z.string(),
  startedAt: z.nullable(z.string()),
  endedAt: z.nullable(z.string()),
  progress: z.number().check(z.minimum(0), z.maximum(1)),
  error: z.nullable(problemSchema),
  tasks: z.array(pageTaskSchema),
  environment: z.nullable(z.string()),
  cancellable: z.boolean(),
});
export type PageJob = z.output<typeof pageJobSchema>;

const pageLineSchema = z.object({
  line: z.int().check(z.positive()),
  at: z.string(),
  task: z.nullable(z.string()),
  level: z.enum(['info', 'warning', 'error']),
  text: z.string(),
});
export type PageLine = z.output<typeof pageLineSchema>;

/** From the extension to the page. A job is always complete; lines are appended, and each carries its number. */
export const toPageSchema = z.discriminatedUnion('kind', [
  /** `canRetry`: there is a command that does it again. */
  z.object({ kind: z.literal('job'), job: pageJobSchema, canRetry: z.optional(z.boolean()) }),
  z.object({
    kind: z.literal('lines'),
    lines: z.array(pageLineSchema).check(z.minLength(1), z.maxLength(linesInMessage)),
  }),
  z.object({
    kind: z.literal('connection'),
    state: z.enum(['connected', 'connecting', 'disconnected']),
    problem: z.nullable(problemSchema),
  }),
  /** The engine no longer knows the job. */
  z.object({ kind: z.literal('gone') }),
  /** What the page asked for was refused. */
  z.object({ kind: z.literal('refused'), problem: problemSchema }),
]);
export type ToPage = z.output<typeof toPageSchema>;
export type ConnectionState = Extract<ToPage, { kind: 'connection' }>['state'];

/** From the page to the extension. */
export const fromPageSchema = z.discriminatedUnion('kind', [
  /** The page is there, and holds the lines up to this number; 0 for none. */
  z.object({ kind: z.literal('ready'), through: z.int().check(z.nonnegative()) }),
  /** The page has taken the lines up to this number: more may come. */
  z.object({ kind: z.literal('took'), through: z.int().check(z.nonnegative()) }),
  z.object({ kind: z.literal('cancel') }),
  z.object({ kind: z.literal('retry') }),
  z.object({ kind: z.literal('connect') }),
  /** Puts text in the clipboard. */
  z.object({ kind: z.literal('copy'), text: z.string(), lines: z.int().check(z.nonnegative()) }),
  /** How many messages the page could not read since it was loaded. */
  z.object({ kind: z.literal('dropped'), count: z.int().check(z.positive()) }),
]);
export type FromPage = z.output<typeof fromPageSchema>;

export const levels = ['info', 'warning', 'error'] as const;
export type Level = (typeof levels)[number];

/** Kept by VS Code over a reload of the window and while the page's tab is hidden. */
export const pageStateSchema = z.object({
  version: z.literal(1),
  job: jobIdSchema,
  /** Names of the tasks whose lines are folded away; '' is the group of lines without a task. */
  collapsed: z.array(z.string()).check(z.maxLength(1000)),
  level: z.enum(levels),
  search: z.string().check(z.maxLength(1000)),
  follow: z.boolean(),
  /** Number of the line at the top, when not following. */
  top: z.int().check(z.nonnegative()),
  /** What was last seen of the job, for when the engine cannot be reached. */
  last: z.nullable(pageJobSchema),
});
export type PageState = z.output<typeof pageStateSchema>;

type Fits<Protocol extends Page, Page> = Protocol;
/** Fails to compile when the protocol's job has something that this page would refuse. */
export type KnownJob = Fits<Job, PageJob>;
/** The same for a line. */
export type KnownLine = Fits<JobLine, PageLine>;
