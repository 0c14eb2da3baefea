/** Asks for a name, and refuses one that the engine would refuse while it is typed. */
import * as vscode from 'vscode';
import type * as z from 'zod';
import { nameRule } from '../../engine/protocol/names.ts';

export interface NameQuestion {
  readonly title: string;
  readonly prompt: string;
  readonly value?: string;
  readonly taken: readonly string[];
  /** What is named, e.g. "clone". */
  readonly kind: string;
  /** An empty answer is allowed: then the engine makes the name. */
  readonly optional?: boolean;
}

export const nameProblem = (
  name: string,
  { taken, kind }: Pick<NameQuestion, 'taken' | 'kind'>,
  valid: boolean,
): string | undefined => {
  if (!valid) return `Not a name: ${nameRule}.`;
  return taken.includes(name) ? `There is already a ${kind} "${name}".` : undefined;
};

/** The name, or undefined when the box was left. */
export async function askName<Schema extends z.ZodType<string>>(
  schema: Schema,
  question: NameQuestion,
): Promise<z.output<Schema> | undefined> {
  const { title, prompt, value = '', optional = false } = question;
  const answer = await vscode.window.showInputBox({
    title,
    prompt,
    value,
    ignoreFocusOut: true,
    validateInput: (text) =>
      optional && text === '' ? undefined : nameProblem(text, question, schema.safeParse(text).success),
  });
  return answer === undefined || answer === '' ? undefined : schema.parse(answer);
}
