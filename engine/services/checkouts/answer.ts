/** Takes a person's answer to the question whether a branch is to have a clone, and remembers it as far as it goes. */
import { fail } from '../../protocol/errors.ts';
import type { Follower } from './follower.ts';
import type { Hosts } from './hosts.ts';
import { refuseWithoutStart } from './use.ts';

export interface Answer {
  branch: string;
  answer: 'create' | 'none';
  from?: string | undefined;
  remember?: 'once' | 'branch' | 'pattern' | 'workspace' | undefined;
  pattern?: string | undefined;
}

/** Errors: `question_changed`, `no_clone_for_branch`. */
export async function answerQuestion(
  hosts: Hosts,
  follower: Follower,
  { branch, answer, from, remember = 'once', pattern }: Answer,
): Promise<void> {
  const { path, answers } = follower.record();
  const head = follower.head();
  if (head.kind !== 'branch' || head.branch !== branch) throw fail('question_changed', { path });
  if (answer === 'create') refuseWithoutStart(hosts, follower, from);
  const kind = answer === 'create' ? 'clone' : 'none';
  if (remember === 'workspace') {
    follower.change({ follow: kind === 'clone' ? 'automatic' : 'off' });
  } else if (remember !== 'once') {
    const remembered = remember === 'branch' ? branch : (pattern ?? branch);
    const others = answers.filter((each) => each.pattern !== remembered);
    follower.change({ answers: [...others, { pattern: remembered, answer: kind }] });
  }
  await follower.answerNow(kind, from);
}
