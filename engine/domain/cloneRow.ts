/** How the row of a clone changes: its members' states and data, and what it says of the servers that run. */
import type { Clone } from '../protocol/entities.ts';
import type { DatasetId, MemberName } from '../protocol/ids.ts';

type Member = Pick<Clone['members'][number], 'name' | 'state'> & { dataset: DatasetId };
type Row = Pick<Clone, 'state' | 'problem' | 'stoppedBy'> & { members: Member[] };

export interface MemberDataset {
  name: MemberName;
  dataset: DatasetId;
}

export const withMembers = <R extends Row>(row: R, state: Member['state']): R => ({
  ...row,
  members: row.members.map((member) => ({ ...member, state })),
});

/** On these data; a member that is not among them stays on its own. */
export const onDatasets = <R extends Row>(row: R, datasets: readonly MemberDataset[]): R => ({
  ...row,
  members: row.members.map((member) => ({
    ...member,
    dataset: datasets.find(({ name }) => name === member.name)?.dataset ?? member.dataset,
  })),
});

export const datasetsOf = ({ members }: Pick<Row, 'members'>): MemberDataset[] =>
  members.map(({ name, dataset }) => ({ name, dataset }));

/** What the row says when these of its servers run, in the order of its members: a clone is ready when all do. */
export function tellServers<R extends Row>(row: R, running: readonly boolean[], problem: string | null): R {
  const isReady = row.members.every((_, index) => running[index] === true);
  return {
    ...row,
    state: isReady ? 'ready' : 'stopped',
    members: row.members.map((member, index) => ({
      ...member,
      state: running[index] === true ? ('ready' as const) : ('stopped' as const),
    })),
    problem: isReady ? null : problem,
    stoppedBy: isReady ? null : row.stoppedBy,
  };
}

/** As it should be while nobody works on it: running, unless a person stopped it. */
export function atRest<R extends Row>(row: R): R {
  const state = row.stoppedBy === null ? 'ready' : 'stopped';
  return { ...withMembers(row, state), state, problem: null };
}
