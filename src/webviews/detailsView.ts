/** What a page of details shows of its row: how it stands, what is known, and what can be done. */
import { comparisonLines } from '../../engine/protocol/comparison.ts';
import type { DetailsView, PageFact } from '../../webview-ui/details/messages.ts';
import { factsOf, type Fact } from '../views/facts.ts';
import { rowActions, type Holds, type Manifest } from '../views/rowActions.ts';
import { rowOf, type TreeState } from '../views/treeRows.ts';
import type { DetailedRow } from './detailsPages.ts';

const kindNames = { clone: 'Clone', snapshot: 'Snapshot', environment: 'Environment' } as const;
const memberTitles = { clone: 'Connection', snapshot: 'Databases', environment: 'Sources' } as const;
const groupNames: Readonly<Record<string, string>> = {
  '1_use': 'Use',
  '2_state': 'State',
  '3_destructive': 'Lose data',
};

/** Told at the top, in words of their own. */
const toldAbove = new Set(['State', 'Problem', 'Last refresh']);
const showsItself = /\.showDetails$/;

const pageFact = ({ name, value }: Fact): PageFact => ({
  name,
  value: value.map((piece) =>
    typeof piece === 'string' ? { text: piece, code: false } : { text: piece.code, code: true },
  ),
});
const plainText = (fact: Fact | undefined): string | undefined =>
  fact?.value.map((piece) => (typeof piece === 'string' ? piece : piece.code)).join('');

function membersOf({ entities }: TreeState, { kind, key }: DetailedRow): number {
  if (kind === 'environment')
    return Object.keys(entities.environments.get(key)?.definition.members ?? {}).length;
  return (kind === 'clone' ? entities.clones : entities.snapshots).get(key)?.members.length ?? 0;
}

/** What a snapshot has not as its sources had it. */
function differencesOf({ entities }: TreeState, { kind, key }: DetailedRow): PageFact[] {
  const snapshot = kind === 'snapshot' ? entities.snapshots.get(key) : undefined;
  return (snapshot?.members ?? []).flatMap(({ name, comparison }) =>
    (comparison === undefined ? [] : comparisonLines(comparison)).map((text) => ({
      name: `${name} differs`,
      value: [{ text, code: false }],
    })),
  );
}

/** Undefined when the object is not there. */
export function detailsView(
  state: TreeState,
  reference: DetailedRow,
  manifest: Manifest,
  holds: Holds,
): DetailsView | undefined {
  const found = factsOf(state, reference);
  const row = rowOf(state, reference);
  if (found === undefined || row === undefined) return undefined;
  const named = (name: string): string | undefined =>
    plainText(found.facts.find((fact) => fact.name === name));
  const members = membersOf(state, reference);
  const facts = found.facts.slice(0, found.facts.length - members);
  const refresh = named('Last refresh');
  return {
    title: found.title,
    kind: kindNames[reference.kind],
    standing: named('Running') ?? named('State') ?? '',
    problem: named('Problem') ?? (refresh === undefined ? null : `The last refresh ${refresh}`),
    facts: facts.filter(({ name }) => !toldAbove.has(name)).map(pageFact),
    members: {
      title: memberTitles[reference.kind],
      facts: [
        ...found.facts.slice(found.facts.length - members).map(pageFact),
        ...differencesOf(state, reference),
      ],
    },
    actions: [...rowActions(manifest, row, holds)].flatMap(([group, actions]) => {
      const others = actions.filter(({ id }) => !showsItself.test(id));
      return others.length === 0 ? [] : [{ name: groupNames[group] ?? group, actions: others }];
    }),
  };
}

/** The page of what was destroyed or deleted meanwhile. */
export const goneView = (reference: DetailedRow, title: string): DetailsView => ({
  ...{ title, kind: kindNames[reference.kind], standing: 'gone', problem: null, facts: [], actions: [] },
  members: { title: '', facts: [] },
});
