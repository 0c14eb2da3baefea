/** What became of the branches of a repository: which are merged, which are gone from their remote, where they are checked out. */
import type { Branch, RepositoryReport, WorkingTree } from '../git.ts';
import { isCommitId, refOfBranch } from './refs.ts';
import type { GitProgram } from './program.ts';
import { commitsMade, readReflog } from './reflog.ts';
import { listWorkingTrees } from './worktrees.ts';

interface ListedRef {
  ref: string;
  commit: string;
  /** What a symbolic ref leads to; empty for others. */
  target: string;
  upstream: string;
  committedAt: string;
  author: string;
}

/** A place of the default branch: here, or at the remote when it was last fetched. */
interface DefaultPlace {
  /** For people: `main`, `origin/main`. */
  title: string;
  commit: string;
}

const heads = 'refs/heads/';
const remotes = 'refs/remotes/';

/** Each evidence is looked up among the default branch's commits: of very many the newest suffice. */
const MAXIMAL_EVIDENCE = 20;
/** With reftable each log is a process. */
const AT_ONCE = 16;

export async function reportOf(
  { tree, folder, isReftable }: { tree: WorkingTree; folder: string; isReftable: boolean },
  program: GitProgram,
  signal?: AbortSignal,
): Promise<RepositoryReport> {
  const read = (...args: string[]): Promise<string> => program.read(folder, args, signal);
  const [worktrees, refs] = await Promise.all([listWorkingTrees(tree, program), listRefs(read)]);
  const byName = new Map(refs.map((ref) => [ref.ref, ref]));
  const { name: defaultBranch, remoteRef } = await findDefault(refs, async () => {
    const configured = await program.ask(folder, ['config', '--get', 'init.defaultBranch'], signal);
    return 'output' in configured ? configured.output.trim() : '';
  });
  const places = defaultPlaces(defaultBranch, remoteRef, byName);
  const merged = await mergedInto(places, read);

  const merging = refs.filter(({ ref, upstream }) => {
    if (!ref.startsWith(heads) || !merged.has(ref) || ref === refOfBranch(defaultBranch ?? '')) return false;
    // Work that only the remote has is not merged.
    return !byName.has(upstream) || !upstream.startsWith(remotes) || merged.has(upstream);
  });
  const candidates: { ref: ListedRef; made: readonly string[] }[] = [];
  for (let start = 0; start < merging.length; start += AT_ONCE) {
    const some = merging.slice(start, start + AT_ONCE).map(async (ref) => {
      const repository = { commonDirectory: tree.commonDirectory, isReftable };
      const entries = await readReflog(repository, ref.ref.slice(heads.length), program, signal);
      const made = new Set(commitsMade(entries).filter(isCommitId));
      return { ref, made: [...made].slice(0, MAXIMAL_EVIDENCE) };
    });
    candidates.push(...(await Promise.all(some)));
  }
  const worked = await withWork(candidates, { places, byName, defaultBranch, remoteRef }, read);

  return {
    defaultBranch,
    worktrees,
    branches: refs
      .filter(({ ref, target }) => ref.startsWith(heads) && target === '')
      .map(({ ref, commit, upstream, committedAt, author }): Branch => ({
        name: ref.slice(heads.length),
        commit,
        upstream: upstream === '' ? null : upstream,
        isUpstreamGone: upstream.startsWith(remotes) && !byName.has(upstream),
        mergedInto: worked.has(ref) ? (merged.get(ref) ?? null) : null,
        committedAt,
        author,
      })),
  };
}

type Read = (...args: string[]) => Promise<string>;

async function listRefs(read: Read): Promise<readonly ListedRef[]> {
  const fields = [
    ...['refname', 'objectname', 'symref', 'upstream', 'committerdate:unix', 'authorname', 'authoremail'],
  ];
  const format = fields.map((field) => `%(${field})`).join('%00');
  const output = await read('for-each-ref', `--format=${format}`, heads, remotes);
  return output.split('\n').flatMap((line) => {
    const [ref, commit, target, upstream, seconds, name, address] = line.split('\0');
    if (ref === undefined || commit === undefined || address === undefined) return [];
    return {
      ref,
      commit,
      target: target ?? '',
      upstream: upstream ?? '',
      committedAt: new Date(Number(seconds) * 1000).toISOString(),
      author: `${name ?? ''} ${address}`.trim(),
    };
  });
}

/** HEAD of the remote `origin`, or of the only one; else main or master, when there is just one of them; else what new repositories get. */
async function findDefault(
  refs: readonly ListedRef[],
  configured: () => Promise<string>,
): Promise<{ name: string | null; remoteRef: string | undefined }> {
  const remoteHeads = refs.filter(
    ({ ref, target }) => ref.startsWith(remotes) && ref.endsWith('/HEAD') && target !== '',
  );
  const remoteHead =
    remoteHeads.find(({ ref }) => ref === `${remotes}origin/HEAD`) ??
    (remoteHeads.length === 1 ? remoteHeads[0] : undefined);
  const prefix = remoteHead?.ref.slice(0, -'HEAD'.length);
  if (remoteHead !== undefined && prefix !== undefined && remoteHead.target.startsWith(prefix))
    return { name: remoteHead.target.slice(prefix.length), remoteRef: remoteHead.target };
  const has = (name: string): boolean => refs.some(({ ref }) => ref === `${heads}${name}`);
  const usual = ['main', 'master'].filter(has);
  const [only] = usual;
  if (usual.length === 1 && only !== undefined) return { name: only, remoteRef: undefined };
  const name = await configured();
  return { name: has(name) ? name : null, remoteRef: undefined };
}

function defaultPlaces(
  name: string | null,
  remoteRef: string | undefined,
  byName: ReadonlyMap<string, ListedRef>,
): readonly DefaultPlace[] {
  if (name === null) return [];
  const local = byName.get(refOfBranch(name));
  const remote = byName.get(remoteRef ?? local?.upstream ?? '');
  return [
    ...(local === undefined ? [] : [{ title: name, commit: local.commit }]),
    ...(remote?.ref.startsWith(remotes) === true
      ? [{ title: remote.ref.slice(remotes.length), commit: remote.commit }]
      : []),
  ];
}

/** By ref: which place of the default branch has all its commits, the first of them. */
async function mergedInto(places: readonly DefaultPlace[], read: Read): Promise<ReadonlyMap<string, string>> {
  const merged = new Map<string, string>();
  for (const { title, commit } of places) {
    const output = await read('for-each-ref', '--format=%(refname)', `--merged=${commit}`, heads, remotes);
    for (const ref of output.split('\n')) if (ref !== '' && !merged.has(ref)) merged.set(ref, title);
  }
  return merged;
}

/** The refs on which work was done that is in the default branch now, and not just nothing. */
async function withWork(
  candidates: readonly { ref: ListedRef; made: readonly string[] }[],
  {
    places,
    byName,
    defaultBranch,
    remoteRef,
  }: {
    places: readonly DefaultPlace[];
    byName: ReadonlyMap<string, ListedRef>;
    defaultBranch: string | null;
    remoteRef: string | undefined;
  },
  read: Read,
): Promise<ReadonlySet<string>> {
  const worked = new Set(
    candidates.filter(({ ref, made }) => made.includes(ref.commit)).map(({ ref }) => ref.ref),
  );
  const open = candidates.filter(({ ref }) => !worked.has(ref.ref));
  const evidence = [...new Set(open.flatMap(({ made }) => made))];
  if (evidence.length > 0) {
    const exclude = places.map(({ commit }) => `^${commit}`);
    // What comes out is not in the default branch: given up, or rewritten before it was merged.
    const output = await read('rev-list', '--ignore-missing', ...evidence, ...exclude);
    const missing = new Set(output.split('\n'));
    // Without the ones that were cleaned away: of them nothing is known.
    const isThere = new Set(
      (await read('rev-list', '--ignore-missing', '--no-walk=unsorted', ...evidence)).split('\n'),
    );
    for (const { ref, made } of open)
      if (made.some((commit) => isThere.has(commit) && !missing.has(commit))) worked.add(ref.ref);
  }

  const isDefaultUpstream = (ref: string): boolean =>
    ref === remoteRef || ref === byName.get(refOfBranch(defaultBranch ?? ''))?.upstream;
  const fetched = open.filter(
    ({ ref }) =>
      !worked.has(ref.ref) &&
      byName.get(ref.upstream)?.ref.startsWith(remotes) === true &&
      !isDefaultUpstream(ref.upstream),
  );
  if (fetched.length > 0) {
    const tips = places.map(({ commit }) => commit);
    const line = new Set((await read('rev-list', '--first-parent', ...tips)).split('\n'));
    for (const { ref } of fetched) if (!line.has(ref.commit)) worked.add(ref.ref);
  }
  return worked;
}
