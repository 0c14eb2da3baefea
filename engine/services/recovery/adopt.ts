/** Takes snapshots and clones that the state does not know, or not as they are, from the tags on their data. */
import { atRest } from '../../domain/cloneRow.ts';
import { freeName } from '../../domain/naming.ts';
import type { ReconcilePlan } from '../../domain/reconcile.ts';
import { cloneNameSchema, snapshotNameSchema, type DatasetId } from '../../protocol/ids.ts';
import type { Dataset, DatasetTags } from '../../storage/storage.ts';
import type { ServiceContext } from '../context.ts';

type Content<Kind extends DatasetTags['content']['kind']> = Extract<DatasetTags['content'], { kind: Kind }>;

export function adopt(
  context: ServiceContext,
  datasets: ReadonlyMap<DatasetId, Dataset>,
  { adoptSnapshots, adoptClones }: Pick<ReconcilePlan, 'adoptSnapshots' | 'adoptClones'>,
): void {
  const { store } = context;
  const isWanted = (content: DatasetTags['content']): boolean =>
    content.kind === 'snapshot'
      ? adoptSnapshots.includes(content.snapshot.id)
      : adoptClones.some(
          ({ clone, generation }) => clone === content.clone.id && generation === content.generation,
        );
  store.transaction(() => {
    // Newest first: an environment gets the newest definition that stands anywhere.
    for (const { tags } of [...datasets.values()].sort((a, b) => (ageOf(a) < ageOf(b) ? 1 : -1))) {
      const { content, environment } = tags;
      if (!isWanted(content)) continue;
      if (store.environments.get(environment.name) === undefined) {
        store.environments.put({ ...environment, sealedPasswords: {} });
      }
      if (content.kind === 'snapshot') adoptSnapshot(context, content);
      else adoptClone(context, content);
    }
  });
}

/** When the tags of a dataset were last a whole truth, for choosing between environments' definitions. */
const ageOf = ({ tags: { content } }: Dataset): string =>
  content.kind === 'snapshot'
    ? content.snapshot.createdAt
    : (content.clone.resetAt ?? content.clone.createdAt);

function adoptSnapshot({ store }: ServiceContext, { snapshot }: Content<'snapshot'>): void {
  const { clones: _, ...record } = snapshot;
  const others = store.snapshots
    .list()
    .filter((each) => each.environment === record.environment && each.id !== record.id);
  const name = snapshotNameSchema.parse(freeName(record.name, new Set(others.map((each) => each.name))));
  store.snapshots.put({ ...record, name, state: 'ready' });
}

function adoptClone(
  { store, clock }: ServiceContext,
  { clone, generation, sealedPassword }: Content<'clone'>,
): void {
  const others = store.clones.list().filter(({ id }) => id !== clone.id);
  const name = cloneNameSchema.parse(freeName(clone.name, new Set(others.map((each) => each.name))));
  const now = clock.now().toISOString();
  store.clones.put({
    ...atRest({ ...clone, name }),
    generation,
    sealedPassword,
    ...{ usedAt: now, countedAt: now, worktree: null, finished: null },
  });
}
