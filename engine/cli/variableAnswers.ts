/** `thin-clones use --allow-variable` and `--refuse-variable`: what of a repository's file is set although it is no plain connection. */
import type { Checkout } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { shownValue } from '../protocol/variableConsent.ts';
import { printable } from './format.ts';
import type { Session } from './session.ts';
import { openCheckout } from './workingTree.ts';

export type VariableAnswers = Readonly<Record<'allow' | 'refuse', readonly string[]>>;

/** Agrees to, or refuses, the values that the named variables have now. Errors: `variable_unasked`. */
export async function answerVariables(
  session: Session,
  directory: string | undefined,
  names: VariableAnswers,
): Promise<void> {
  const { output, signal } = session;
  const opened = await openCheckout(session, directory);
  const client = await session.client();
  const said = [
    ...names.allow.map((name) => ({ name, answer: 'allow' as const })),
    ...names.refuse.map((name) => ({ name, answer: 'refuse' as const })),
  ].map(({ name, answer }) => {
    const value = valueOf(opened, name);
    if (value === undefined) throw fail('variable_unasked', { path: opened.path, name });
    return { name, value, answer };
  });
  let changed = opened;
  for (const body of said)
    changed = await client.call('checkoutVariable', { params: { checkout: opened.id }, body }, { signal });
  output.answer({
    json: changed,
    text: () =>
      said
        .map(({ name, value, answer }) =>
          printable(
            `${name}=${shownValue(value)} is ${answer === 'allow' ? '' : 'not '}set in all checkouts of ${changed.repository}, while the file has this value.`,
          ),
        )
        .join('\n'),
  });
}

const valueOf = ({ heldVariables, variables }: Checkout, name: string): string | undefined =>
  heldVariables.find((each) => each.name === name)?.value ?? variables[name];
