/** The question before something is lost that can't be had back. */
import { fail } from '../protocol/errors.ts';
import type { Prompter } from './prompt.ts';

export interface Confirmation {
  /** What is lost, e.g. `Destroy clone feature/a and everything that was changed in it?`. */
  question: string;
  /** `--yes` was given. */
  yes: boolean | undefined;
}

/** Whether the answer is yes. Errors: `canceled` when the question is left. */
export async function agrees(prompter: Prompter, { question, yes }: Confirmation): Promise<boolean> {
  return yes === true || /^y(es)?$/i.test((await prompter.ask(`${question} [y/N] `)).trim());
}

/** Returns when it may go on. Errors: `usage` without `--yes` and without a terminal, `canceled` when the answer is no. */
export async function confirm(prompter: Prompter, { question, yes }: Confirmation): Promise<void> {
  if (yes === true) return;
  if (!prompter.available) {
    throw fail('usage', {
      problem: `${question} Without a terminal nobody can be asked.`,
      hint: 'Add --yes if that is what you want.',
    });
  }
  if (!(await agrees(prompter, { question, yes }))) throw fail('canceled', {});
}
