/** What has to hold of the `workspace:` section beyond its shape: templates that name what there is. */
import { templateProblem } from '../protocol/variables.ts';
import type { Explained } from './wording.ts';
import { isRecord } from './wording.ts';

/** The members of the environment that the section means, when it stands in the same file. */
function membersOf(root: Record<string, unknown>, workspace: Record<string, unknown>): string[] | undefined {
  const environments = isRecord(root.environments) ? root.environments : {};
  const names = Object.keys(environments);
  const name = workspace.environment ?? (names.length === 1 ? names[0] : undefined);
  const environment =
    typeof name === 'string' && Object.hasOwn(environments, name) ? environments[name] : undefined;
  return isRecord(environment) && isRecord(environment.members)
    ? Object.keys(environment.members)
    : undefined;
}

export function workspaceProblems(root: Record<string, unknown>): Explained[] {
  const { workspace } = root;
  if (!isRecord(workspace)) return [];
  const members = membersOf(root, workspace);
  const problems: Explained[] = [];
  for (const [name, template] of Object.entries(isRecord(workspace.variables) ? workspace.variables : {})) {
    const text = typeof template === 'string' ? templateProblem(template, members) : null;
    if (text !== null) problems.push({ path: ['workspace', 'variables', name], at: 'value', text });
  }
  const { migrations } = workspace;
  const entries: unknown[] = Array.isArray(migrations) ? migrations : [migrations];
  entries.forEach((entry, index) => {
    const member = isRecord(entry) ? entry.member : undefined;
    if (members === undefined || typeof member !== 'string' || members.includes(member)) return;
    const path = ['workspace', 'migrations', ...(Array.isArray(migrations) ? [index] : []), 'member'];
    const text = `there is no member "${member}" (there are: ${members.join(', ')})`;
    problems.push({ path, at: 'value', text });
  });
  return problems;
}
