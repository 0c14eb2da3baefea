/** Says of a member in thin-clones.yaml what does not hold of it, at its place in the file. */
import { engineOf, engines } from '../database/engines.ts';
import { memberProblems, type MemberProblem } from '../domain/memberRules.ts';
import { databaseEngineSchema } from '../protocol/entities.ts';

export interface KeyProblem {
  key: string;
  /** Which of both the words are about. */
  at: 'key' | 'value';
  text: string;
}

export function problemsInFile(member: Record<string, unknown>): KeyProblem[] {
  const engine = databaseEngineSchema.safeParse(member.engine);
  // One that is left out or misspelt is told elsewhere: most likely it is the usual one.
  const source = (engine.success ? engineOf(engine.data) : engines[0])?.source;
  const foreign = (source?.foreignTo(member) ?? []).map(({ key, reason }): KeyProblem => {
    const [first = ''] = key.split('.');
    return { key: first, at: key === 'retrieval' ? 'value' : 'key', text: `${key}: ${reason}` };
  });
  const others = memberProblems(member, source).map((problem): KeyProblem => ({
    key: problem.key,
    at: problem.kind === 'missing' || problem.kind === 'foreign' ? 'key' : 'value',
    text: told(problem, String(member.retrieval), source?.urlExample ?? ''),
  }));
  return [...foreign, ...others];
}

function told(problem: MemberProblem, retrieval: string, urlExample: string): string {
  switch (problem.kind) {
    case 'missing':
      return `"${problem.key}" is missing here: "retrieval: ${retrieval}" needs it`;
    case 'foreign':
      return `"${problem.key}" does not go with "retrieval: ${retrieval}": expected "${problem.own}"`;
    case 'password':
      return `the URL has a password in it: write ${problem.withoutPassword} and beside it "password: { env: NAME }" or "password: { file: PATH }"`;
    case 'scheme':
      return `expected a URL as ${urlExample}`;
    case 'url':
      return `expected a URL as ${urlExample}: ${problem.problem}`;
  }
}
