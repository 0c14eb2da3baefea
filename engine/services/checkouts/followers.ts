/** The followers that there are: one for a folder, whoever asks for it, and when. */
import type { WorkingTree } from '../../git/git.ts';
import type { CheckoutId } from '../../protocol/ids.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import { createFollower, type Follower, type FollowerOptions } from './follower.ts';

type Place = Pick<CheckoutRecord, 'id' | 'path'>;

export interface Followers {
  readonly all: () => Follower[];
  /** Undefined: the checkout was forgotten meanwhile. */
  readonly open: (place: Place) => Promise<Follower | undefined>;
  /** Its follower ends, and nothing is remembered of the checkout. */
  readonly drop: (place: Place) => Promise<void>;
  readonly closeAll: () => Promise<void>;
}

export function createFollowers(options: Omit<FollowerOptions, 'id' | 'tree'>): Followers {
  const { store, git, feed } = options.context;
  const followers = new Map<CheckoutId, Follower>();
  /** By path. */
  const opening = new Map<string, Promise<Follower | undefined>>();

  const addFollower = async ({ id, path }: Place): Promise<Follower | undefined> => {
    const found = await git.locate(path);
    const record = store.checkouts.get(id);
    if (record === undefined) return undefined;
    const follower = createFollower({ ...options, id, tree: found ?? remembered(record) });
    followers.set(id, follower);
    await follower.start();
    return follower;
  };

  return {
    all: () => [...followers.values()],
    async open({ id, path }) {
      const underway = opening.get(path);
      if (underway !== undefined) return underway;
      const running = followers.get(id);
      if (running !== undefined) return running;
      const opened = addFollower({ id, path }).finally(() => opening.delete(path));
      opening.set(path, opened);
      return opened;
    },
    async drop({ id, path }) {
      await opening.get(path);
      const follower = followers.get(id);
      await follower?.close();
      followers.delete(id);
      if (store.checkouts.get(id) === undefined) return;
      store.checkouts.remove(id);
      feed.publish({ kind: 'checkout.removed', id });
    },
    async closeAll() {
      await Promise.all([...followers.values()].map((follower) => follower.close()));
      followers.clear();
    },
  };
}

/** A folder that is no working tree now, as it was. */
const remembered = ({ path, repository, kind }: CheckoutRecord): WorkingTree => ({
  ...{ path, kind, gitDirectory: repository, commonDirectory: repository },
});
