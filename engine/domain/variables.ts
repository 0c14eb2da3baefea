/** Which variables of a repository's file are set in a checkout: those that plainly are connections, and those agreed to. */
import type { Checkout } from '../protocol/entities.ts';
import { needsConsent } from '../protocol/variableConsent.ts';

/** What a person said of a variable with exactly this value, for all checkouts of a repository. */
export interface VariableAnswer {
  name: string;
  value: string;
  answer: 'allow' | 'refuse';
}

export interface SortedVariables {
  variables: Checkout['variables'];
  heldVariables: Checkout['heldVariables'];
}

export function sortVariables(
  templates: Readonly<Record<string, string>>,
  answers: readonly VariableAnswer[],
): SortedVariables {
  const sorted: SortedVariables = { variables: {}, heldVariables: [] };
  for (const [name, value] of Object.entries(templates)) {
    const said = answers.findLast((each) => each.name === name && each.value === value)?.answer;
    if (!needsConsent(name, value) || said === 'allow') sorted.variables[name] = value;
    else sorted.heldVariables.push({ name, value, state: said === 'refuse' ? 'refused' : 'asking' });
  }
  return sorted;
}

export function withAnswer(answers: readonly VariableAnswer[], answer: VariableAnswer): VariableAnswer[] {
  return [...answers.filter(({ name, value }) => name !== answer.name || value !== answer.value), answer];
}
