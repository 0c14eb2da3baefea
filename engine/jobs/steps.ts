/** What a kind of job is: idempotent steps over a journalled input, each able to undo what it did. */
import type * as z from 'zod';
import type { Reporter } from '../database/database.ts';
import type { JobType } from '../protocol/entities.ts';
import type { JobId, MemberName } from '../protocol/ids.ts';

export interface StepContext<Input, Data> {
  job: JobId;
  createdBy: string;
  input: Input;
  /** What steps learned; saved with the step's end. After a crash a step sees what the last finished one saved. */
  data: Data;
  signal: AbortSignal;
  report: Reporter;
  /** Secrets of this run, in memory only: gone after a restart. */
  secrets: ReadonlyMap<MemberName, string>;
}

/** Run inside the transaction that journals the step, so that the state and the journal never differ. */
export type StoreChange = () => void;

export interface Step<Input, Data> {
  /** For people: "Copy orders". */
  name: string;
  /** Idempotent: may run again after a kill at any point of it. */
  run(context: StepContext<Input, Data>): Promise<StoreChange | undefined>;
  /** Takes back what `run` did or half did; idempotent, also when it never ran. */
  undo?(context: StepContext<Input, Data>): Promise<StoreChange | undefined>;
  /** From the end of this step on the job is finished forward. */
  commits?: true;
  /** Its share of the whole job's progress, beside the others'; default 1. */
  weight?: number;
  /** Its failure is a warning: what is left is swept later. */
  cleanup?: true;
}

export interface JobKind<Input = unknown, Data = unknown> {
  type: JobType;
  input: z.ZodType<Input>;
  data: z.ZodType<Data>;
  steps(input: Input): readonly Step<Input, Data>[];
  /** Last change of a job that failed or was canceled, after all is undone (or, past the commit, as it stands). */
  failed?(context: StepContext<Input, Data>, problem: string): StoreChange | undefined;
  /** Runs after the job ended in any way; its errors are logged. */
  ended?(input: Input): Promise<void>;
}
