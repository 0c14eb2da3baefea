/** Asks for a name, and refuses one that the engine would refuse while it is typed. */
import * as vscode from 'vscode';
import type * as z from 'zod';
import { nameRule, nearestName } from '../../engine/protocol/names.ts';

export interface NameQuestion {
  readonly title: string;
  readonly prompt: string;
  readonly value?: string;
  readonly taken: readonly string[];
  /** What is named, e.g. "clone". */
  readonly kind: string;
  /** Of names of this kind; default: that of all names. */
  readonly rule?: string;
  /** An empty answer is allowed: then the engine makes the name. */
  readonly optional?: boolean;
}

const nameProblem = (
  name: string,
  { taken, kind, rule = nameRule }: Pick<NameQuestion, 'taken' | 'kind' | 'rule'>,
  valid: boolean,
): string | undefined => {
  if (!valid) return `Not a name: ${rule}.`;
  return taken.includes(name) ? `There is already a ${kind} "${name}".` : undefined;
};

/** What is no name becomes the nearest one, which is shown before it counts. */
export const nameIn = (schema: z.ZodType<string>, text: string): string =>
  schema.safeParse(text).success ? text : (nearestName(text) ?? text);

/** What is wrong with a text that is typed, or as which name it counts; undefined: it is a name as it stands. */
export function nameMessage(
  schema: z.ZodType<string>,
  text: string,
  question: Pick<NameQuestion, 'taken' | 'kind' | 'rule'>,
): string | vscode.InputBoxValidationMessage | undefined {
  const name = nameIn(schema, text);
  const problem = nameProblem(name, question, schema.safeParse(name).success);
  if (problem !== undefined || name === text) return problem;
  return { message: `It will be called "${name}".`, severity: vscode.InputBoxValidationSeverity.Info };
}

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
    validateInput: (text) => (optional && text === '' ? undefined : nameMessage(schema, text, question)),
  });
  return answer === undefined || answer === '' ? undefined : schema.parse(nameIn(schema, answer));
}
