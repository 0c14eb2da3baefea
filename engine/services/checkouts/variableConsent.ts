/** Remembers whether a person agrees to a variable that a repository's file wants to set. */
import { withAnswer, type VariableAnswer } from '../../domain/variables.ts';
import { fail } from '../../protocol/errors.ts';
import { needsConsent } from '../../protocol/variableConsent.ts';
import type { ServiceContext } from '../context.ts';
import type { Follower } from './follower.ts';

/** For all checkouts of the repository. Errors: `variable_unasked`. */
export async function answerVariable(
  { store }: Pick<ServiceContext, 'store'>,
  follower: Follower,
  followers: readonly Follower[],
  answer: VariableAnswer,
): Promise<void> {
  const { path, repository } = follower.record();
  const { name, value } = answer;
  const isThere = follower.workspace()?.variables?.[name] === value;
  if (!isThere || !needsConsent(name, value)) throw fail('variable_unasked', { path, name });
  const isOfIt = (each: { repository: string }): boolean => each.repository === repository;
  store.transaction(() => {
    // Also of those whose turn has not come after a start, which have no follower yet.
    for (const record of store.checkouts.list().filter(isOfIt))
      store.checkouts.put({ ...record, variableAnswers: withAnswer(record.variableAnswers, answer) });
  });
  await Promise.all(followers.filter((each) => isOfIt(each.record())).map((each) => each.look()));
}
