/** What a checkout leads to: names of clones for branches, patterns of branches, and the decision at each move of HEAD. */
import type { Head } from '../protocol/entities.ts';
import type { Follow } from '../protocol/follow.ts';

/** Characters that a clone's name has as they are: those that `namePattern` in engine/protocol/names.ts allows in the middle. */
const plain = /^[\p{L}\p{N}._/-]$/u;
const plainAtStart = /^[\p{L}\p{N}_]$/u;
const escapeOf = (character: string): string =>
  `_x${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}_`;

/**
 * The name of a branch's clone; `ordinal` is 2 for the second branch of that name (of another repository), and so on. Names
 * that a clone may have stay as they are, other characters become `_xHEX_` as in ISO 9075-14, and the `_` of an `_x` that was there
 * before is written so too. No two branches get the same name.
 */
export function cloneNameOf(branch: string, ordinal = 1): string {
  const characters = Array.from(branch);
  let name = '';
  for (const [index, character] of characters.entries()) {
    const isLast = index === characters.length - 1;
    const isDotOrSlash = character === '.' || character === '/';
    const isPlain =
      (index === 0 ? plainAtStart : plain).test(character) &&
      !(isDotOrSlash && (isLast || name.endsWith(character))) &&
      !(character === '_' && characters[index + 1] === 'x');
    name += isPlain ? character : escapeOf(character);
  }
  return ordinal > 1 ? `${name}_x_${ordinal}` : name;
}

/** What is wrong with a pattern, for people; null when nothing is. */
export function patternProblem(pattern: string): string | null {
  if (pattern === '') return 'it is empty';
  if (Array.from(pattern).length > 250) return 'it is longer than 250 characters';
  const forbidden = /[\u0000-\u0020\u007f~^:?[\\]/.exec(pattern);
  if (forbidden !== null) {
    const what = /[\u0000-\u0020\u007f]/.test(forbidden[0]) ? 'blanks' : `"${forbidden[0]}"`;
    return `no branch name has ${what} in it, and only * and ** stand for a part`;
  }
  if (pattern.includes('***')) return '*** is neither * nor **';
  if (pattern.startsWith('/') || pattern.endsWith('/') || pattern.includes('//'))
    return 'no branch name starts or ends with "/" or has "//" in it';
  return null;
}

/** Whether it stands for more than one branch: branch names have no `*`. */
export const isPattern = (pattern: string): boolean => pattern.includes('*');

/** `*` stands for any part without `/`, `**` for any part; an invalid pattern matches nothing. */
export function matches(pattern: string, branch: string): boolean {
  if (patternProblem(pattern) !== null) return false;
  return matchesFrom(
    [...pattern.matchAll(/\*\*|\*|[^*]+/g)].map(([part]) => part),
    branch,
  );
}

/** Greedy with one way back for each kind of star, so that no pattern takes more than length times length steps. */
function matchesFrom(parts: readonly string[], branch: string): boolean {
  // reached[i]: the parts so far can end before position i of the branch.
  let reached = Array.from({ length: branch.length + 1 }, (_, index) => index === 0);
  for (const part of parts) {
    const next = reached.map(() => false);
    let isOpen = false;
    for (let index = 0; index <= branch.length; index++) {
      if (part === '*' || part === '**') {
        if (part === '*' && branch[index - 1] === '/') isOpen = false;
        isOpen ||= reached[index] === true;
        if (isOpen) next[index] = true;
      } else if (reached[index] === true && branch.startsWith(part, index)) next[index + part.length] = true;
    }
    reached = next;
  }
  return reached[branch.length] === true;
}

export interface BranchPolicy {
  follow: Follow;
  /** Branches that match one of these share the clone of the first that matches. */
  shared: readonly string[];
  never: readonly string[];
  /** Pattern to `latest`, `current` or a branch: where new clones of matching branches start. The first that matches counts. */
  from: Readonly<Record<string, string>>;
}

/** What a person answered and wants to be remembered. */
export interface RememberedAnswer {
  pattern: string;
  answer: 'clone' | 'none';
}

export interface DecisionInput {
  head: Head;
  policy: BranchPolicy;
  /** Oldest first. One for exactly this branch counts more than one for a pattern, a later one more than an earlier one. */
  answers: readonly RememberedAnswer[];
  /** Branches and patterns that have a clone in this environment and repository. */
  bound: ReadonlySet<string>;
  /** Names that the branch had before, newest first, without those that are branches again. */
  formerNames: readonly string[];
  /** What the checkout leads to now, or will when a running job has ended. */
  current: string | null;
}

export type Decision =
  /** `renamedFrom`: the clone is still bound to the name that the branch had before, and has to be bound to `key`. */
  | { kind: 'bound'; key: string; renamedFrom: string | null }
  | { kind: 'create'; key: string; from: string }
  | { kind: 'ask'; key: string; from: string }
  /** A Git operation is under way on the branch that the checkout leads to, or will: leave everything as it is. */
  | { kind: 'stay'; reason: string }
  /** Lead nowhere. */
  | { kind: 'none'; reason: string; next: string };

const operationNames = {
  rebase: 'a rebase',
  merge: 'a merge',
  'cherry-pick': 'a cherry-pick',
  revert: 'a revert',
  bisect: 'a bisect',
  am: 'git am',
} as const;

const firstMatch = (patterns: readonly string[], branch: string): string | undefined =>
  patterns.find((pattern) => matches(pattern, branch));

/** What the clone of a branch is bound to: the branch, or the first shared pattern that it matches. */
export const bindingKeyOf = (branch: string, shared: readonly string[]): string =>
  firstMatch(shared, branch) ?? branch;

/** Where a new clone of the branch starts: `latest`, `current` or another branch. */
export function startOf(branch: string, key: string, from: BranchPolicy['from']): string {
  const pattern = firstMatch(Object.keys(from), branch);
  const start = pattern === undefined ? 'latest' : (from[pattern] ?? 'latest');
  return start === branch || start === key ? 'latest' : start;
}

function answerFor(branch: string, answers: readonly RememberedAnswer[]): RememberedAnswer | undefined {
  return (
    answers.findLast(({ pattern }) => pattern === branch) ??
    answers.findLast(({ pattern }) => matches(pattern, branch))
  );
}

/** What the checkout should lead to. A clone that is bound to exactly this branch wins over every pattern. */
export function decide({ head, policy, answers, bound, formerNames, current }: DecisionInput): Decision {
  if (policy.follow === 'off')
    return {
      kind: 'none',
      reason: 'following branches is switched off here',
      next: 'Switch it on: thin-clones use --follow ask',
    };
  if (head.kind === 'unreadable')
    return { kind: 'none', reason: head.problem, next: 'Look whether "git status" works there.' };

  const { branch, operation } = head;
  if (branch === null) {
    // The older kind of rebase (--apply) writes the name of its branch only when it has to stop.
    if (operation === 'rebase' && current !== null) return { kind: 'stay', reason: 'a rebase is under way' };
    if (head.kind === 'detached' && head.tool === 'jj')
      return {
        kind: 'none',
        reason: 'no bookmark of jj is at the working copy or before it',
        next: 'Make one: jj bookmark create NAME, or name a clone: thin-clones use CLONE',
      };
    const commit = head.commit?.slice(0, 10) ?? 'no commit';
    const during = operation === null ? '' : ` during ${operationNames[operation]}`;
    return {
      kind: 'none',
      reason: `HEAD is detached at ${commit}${during}`,
      next: 'Check out a branch, or name a clone: thin-clones use CLONE',
    };
  }

  if (bound.has(branch)) return { kind: 'bound', key: branch, renamedFrom: null };
  const key = bindingKeyOf(branch, policy.shared);
  const never = firstMatch(policy.never, branch);
  const answer = answerFor(branch, answers);
  if (never !== undefined)
    return {
      kind: 'none',
      reason: `branch ${branch} matches "${never}" under "never"`,
      next: 'Take it off that list, or bind a clone by hand: thin-clones use CLONE',
    };
  if (answer?.answer === 'none')
    return {
      kind: 'none',
      reason:
        answer.pattern === branch
          ? `branch ${branch} is to have no clone, as was answered before`
          : `branches like ${answer.pattern} are to have no clone, as was answered before`,
      next: 'Make one anyway: thin-clones use',
    };
  if (bound.has(key)) return { kind: 'bound', key, renamedFrom: null };
  const renamedFrom = key === branch ? formerNames.find((name) => bound.has(name)) : undefined;
  if (renamedFrom !== undefined) return { kind: 'bound', key, renamedFrom };

  if (operation !== null) {
    const reason = `${operationNames[operation]} is under way on branch ${branch}`;
    if (current === key) return { kind: 'stay', reason };
    return {
      kind: 'none',
      reason: `${reason}, which has no clone yet`,
      next: 'Finish or abort it, or make one now: thin-clones use',
    };
  }
  const from = startOf(branch, key, policy.from);
  if (policy.follow === 'automatic' || answer?.answer === 'clone') return { kind: 'create', key, from };
  return { kind: 'ask', key, from };
}
