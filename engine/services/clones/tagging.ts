/** Brings a change of a clone's row that is made beside jobs onto its data, whatever jobs write there meanwhile. */
import type { CloneId } from '../../protocol/ids.ts';
import type { CloneRecord } from '../../state/store.ts';
import { all, type ServiceContext } from '../context.ts';
import { cloneTags, sayTheSame } from '../tags.ts';
import { exclusiveLane } from '../laneKeys.ts';

export interface CloneTagging {
  /** Resolves when the row stands on the data; a failure is logged, and mended at the next start. */
  write(id: CloneId): Promise<void>;
  /** For who destroys the data: resolves when nothing is being written. */
  settled(id: CloneId): Promise<void>;
  /** For jobs that wrote tags of the row as they saw it: what was written beside them is written again. */
  afterJob(id: CloneId): Promise<void>;
}

export function createCloneTagging(context: ServiceContext): CloneTagging {
  const { store, storage, runner, log } = context;
  const underway = new Map<CloneId, Promise<void>>();
  const again = new Set<CloneId>();

  const tagsOf = (clone: CloneRecord) =>
    clone.members.map(({ name, dataset }) => cloneTags(context, clone, name, dataset, 'ready'));

  const bring = async (id: CloneId): Promise<void> => {
    for (;;) {
      const clone = store.clones.get(id);
      if (clone === undefined) return;
      const written = tagsOf(clone);
      await all(written, async (tags) => {
        // Not on data that is on its way out, or not handed over yet.
        const found = await storage.get(tags.dataset);
        if (found?.tags.state === 'ready') await storage.tag(tags.dataset, tags);
      });
      const now = store.clones.get(id);
      const wanted = now === undefined ? [] : tagsOf(now);
      if (wanted.every((tags, index) => written[index] !== undefined && sayTheSame(tags, written[index])))
        return;
    }
  };

  /** One after another, so that the last row is what stands on the data in the end. */
  const write: CloneTagging['write'] = async (id) => {
    const before = underway.get(id) ?? Promise.resolve();
    const turn = before
      .then(() => bring(id))
      .catch((error: unknown) => {
        // best effort: the row holds, and the next start compares it with the tags
        log.warning('a clone could not be tagged', { clone: id, problem: String(error) });
      });
    underway.set(id, turn);
    await turn;
    if (underway.get(id) === turn) underway.delete(id);
    if (runner.holder([exclusiveLane({ id })]) !== undefined) again.add(id);
  };

  return {
    write,
    settled: async (id) => underway.get(id),
    async afterJob(id) {
      if (again.delete(id)) await write(id);
    },
  };
}
