/** What is known of one working tree: where it is, what its HEAD and its thin-clones.yaml say, and what a person said of this branch. */
import type { WorkingTree } from '../../git/git.ts';
import type { Head } from '../../protocol/entities.ts';
import type { Workspace } from '../../protocol/workspace.ts';
import type { Follow } from '../../protocol/follow.ts';
import type { EnvironmentName } from '../../protocol/ids.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';
import { clonesOfRepository, type Hosts } from './hosts.ts';
import type { CheckoutRow } from './row.ts';

/** A person's word about the branch that is checked out now, until HEAD moves. */
export interface PresentAnswer {
  head: string;
  answer: 'clone' | 'none';
  from: string | undefined;
}

export interface Sight {
  tree(): WorkingTree;
  head(): Head;
  workspace(): Workspace | undefined;
  /** What is wrong with thin-clones.yaml. */
  problem(): string | null;
  answer(): PresentAnswer | undefined;
  /** Counts for what HEAD stands at now. */
  setAnswer(answer: PresentAnswer['answer'], from?: string): void;
  follow(): Follow;
  /** Undefined: nothing says which. */
  environment(): EnvironmentName | undefined;
  readHead(): Promise<void>;
  /** `gone`: its folder is no working tree any more; `foreign`: it is one of another repository. */
  look(): Promise<'seen' | 'gone' | 'foreign'>;
}

/** What HEAD stands at, to see that it moved. */
export const standsAt = (head: Head): string => {
  switch (head.kind) {
    case 'branch':
      return `branch ${head.branch}`;
    case 'detached':
      // Every command of jj moves it.
      if (head.tool === 'jj') return 'jj';
      // A rebase or bisect comes back to its branch.
      return head.branch === null ? `commit ${head.commit}` : `branch ${head.branch}`;
    case 'unreadable':
      return 'unreadable';
  }
};

export interface SightOptions {
  context: Pick<ServiceContext, 'git' | 'workspaceFiles'>;
  hosts: Hosts;
  row: CheckoutRow;
  tree: WorkingTree;
  /** Its Git directory is another one now. */
  onMoved: (tree: WorkingTree) => Promise<void>;
}

export function createSight({ context, hosts, row, tree: firstTree, onMoved }: SightOptions): Sight {
  const { git, workspaceFiles } = context;
  let tree = firstTree;
  let head: Head = { kind: 'unreadable', problem: 'it was not looked at yet' };
  let workspace: Workspace | undefined;
  let problem: string | null = null;
  let answer: PresentAnswer | undefined;

  const readHead = async (): Promise<void> => {
    head = await git.head(tree);
  };

  /** Asking where the tree is takes a process: only when its HEAD is not where it was. */
  const findAgain = async (): Promise<boolean> => {
    const { path } = row.read();
    const found = await git.locate(path);
    if (found?.path !== path) return false;
    if (found.gitDirectory !== tree.gitDirectory) await onMoved(found);
    tree = found;
    await readHead();
    return true;
  };

  return {
    tree: () => tree,
    head: () => head,
    workspace: () => workspace,
    problem: () => problem,
    answer: () => answer,
    setAnswer(said, from) {
      answer = { head: standsAt(head), answer: said, from };
    },
    follow: () => row.read().follow ?? workspace?.follow ?? 'ask',
    environment() {
      const chosen = row.read().environment ?? workspace?.environment;
      if (chosen !== undefined) return hosts.meant(chosen) ?? chosen;
      return usedEnvironment(hosts, row.read()) ?? onlyEnvironment(hosts);
    },
    readHead,
    async look() {
      await readHead();
      if (head.kind === 'unreadable' && !(await findAgain())) return 'gone';
      const { repository, chosen } = row.read();
      if (tree.commonDirectory !== repository) return 'foreign';
      const read = await workspaceFiles.read(tree.path);
      problem = read.problem;
      if (read.problem === null) workspace = read.workspace;
      if (answer !== undefined && answer.head !== standsAt(head)) answer = undefined;
      const isLeft = chosen !== null && chosen.head !== null && chosen.head !== standsAt(head);
      if (isLeft) row.change({ chosen: null });
      return 'seen';
    },
  };
}

const onlyOne = (names: readonly EnvironmentName[]): EnvironmentName | undefined => {
  const [only, ...others] = new Set(names);
  return others.length === 0 ? only : undefined;
};

/** What other hosts have besides changes nothing for who works with the only one of this machine. */
function onlyEnvironment(hosts: Hosts): EnvironmentName | undefined {
  const here = hosts.own.environments();
  return onlyOne((here.length > 0 ? here : hosts.environments()).map(({ name }) => name));
}

/** Of a host that is out of reach, nobody knows that it is not. */
const isThere = (hosts: Hosts, name: EnvironmentName): boolean =>
  (hosts.environment(name) ?? hosts.of(name).outOfReach()) !== undefined;

/** While it is there; also after the state was lost, when only tags say what the repository's clones are of. */
function usedEnvironment(
  hosts: Hosts,
  { usedEnvironment: used, repository }: CheckoutRecord,
): EnvironmentName | undefined {
  if (used !== null && isThere(hosts, used)) return used;
  const bound = hosts.all().flatMap((at) => clonesOfRepository(at, repository));
  return onlyOne(bound.map(({ environment }) => environment));
}
