/** Which checkouts are followed: one follower for each, from the first request or a start on until it is forgotten. */
import type { VariableAnswer } from '../../domain/variables.ts';
import type { WorkingTree } from '../../git/git.ts';
import type { Clone } from '../../protocol/entities.ts';
import { fail, toFailure } from '../../protocol/errors.ts';
import type { Event } from '../../protocol/events.ts';
import {
  checkoutIdSchema,
  referenceSchema,
  type CheckoutId,
  type EnvironmentName,
  type Reference,
} from '../../protocol/ids.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import type { Clones } from '../clones/clones.ts';
import { some, type ServiceContext } from '../context.ts';
import type { Environments } from '../environments/environments.ts';
import { repositoryPassword } from '../repositoryPassword.ts';
import { createFollower, type Follower } from './follower.ts';

export interface CheckoutRegistry {
  /** Those that are followed by now. */
  followers(): Follower[];
  /** Also of one whose turn has not come after a start. Errors: `not_found`. */
  find(reference: Reference): Promise<Follower>;
  /** Follows the working tree that contains the folder. Errors: `not_a_checkout`. */
  follow(folder: string, environment: EnvironmentName | null, user: string): Promise<Follower>;
  forget(reference: Reference): Promise<void>;
  /** Follows what was followed before; resolves when all of it is. */
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** Opened at once at a start. */
const opensAtOnce = 4;

export interface RegistryOptions {
  context: ServiceContext;
  clones: Clones;
  environments: Pick<Environments, 'deleteSnapshot'>;
}

export function createCheckoutRegistry({ context, clones, environments }: RegistryOptions): CheckoutRegistry {
  const { store, git, random, clock, feed, log } = context;
  const followers = new Map<CheckoutId, Follower>();
  /** One follower for a folder, whoever asks for it, and when: by path. */
  const opening = new Map<string, Promise<Follower | undefined>>();

  const dropSnapshot = (snapshot: Reference, user: string): void => {
    try {
      environments.deleteSnapshot(snapshot, { user });
    } catch (error) {
      // best effort: it stays as a snapshot like any other, and people can delete it
      log.warning('a snapshot is left over', { snapshot, problem: toFailure(error).message });
    }
  };

  const addFollower = async (id: CheckoutId, path: string): Promise<Follower | undefined> => {
    const found = await git.locate(path);
    const record = store.checkouts.get(id);
    if (record === undefined) return undefined;
    const tree = found ?? remembered(record);
    const follower = createFollower({ context, clones, id, dropSnapshot, tree });
    followers.set(id, follower);
    await follower.start();
    return follower;
  };

  const open = async ({ id, path }: { id: CheckoutId; path: string }): Promise<Follower | undefined> => {
    const underway = opening.get(path);
    if (underway !== undefined) return underway;
    const running = followers.get(id);
    if (running !== undefined) return running;
    const opened = addFollower(id, path).finally(() => opening.delete(path));
    opening.set(path, opened);
    return opened;
  };

  const drop = async ({ id, path }: { id: CheckoutId; path: string }): Promise<void> => {
    await opening.get(path);
    const follower = followers.get(id);
    await follower?.close();
    followers.delete(id);
    if (store.checkouts.get(id) === undefined) return;
    store.checkouts.remove(id);
    feed.publish({ kind: 'checkout.removed', id });
  };

  const variableAnswersFor = (repository: string): VariableAnswer[] =>
    store.checkouts.list().find((each) => each.repository === repository)?.variableAnswers ?? [];

  const find: CheckoutRegistry['find'] = async (reference) => {
    const wanted: string = reference;
    const record = store.checkouts.list().find(({ id, path }) => id === wanted || path === wanted);
    const found = record === undefined ? undefined : await open(record);
    if (found === undefined)
      throw fail('not_found', {
        kind: 'checkout',
        name: reference,
        known: store.checkouts.list().map(({ path }) => path),
      });
    return found;
  };

  const follow: CheckoutRegistry['follow'] = async (folder, environment, user) => {
    const tree = await git.locate(folder);
    if (tree === undefined) throw fail('not_a_checkout', { folder });
    const recordHere = () => store.checkouts.list().find(({ path }) => path === tree.path);
    const before = recordHere();
    // What was said of another repository's working tree does not count for this one's.
    if (before !== undefined && before.repository !== tree.commonDirectory) await drop(before);
    const known = recordHere();
    const id = known?.id ?? checkoutIdSchema.parse(`checkout-${random.id()}`);
    if (known === undefined) {
      store.checkouts.put({
        ...{ id, path: tree.path, repository: tree.commonDirectory, kind: tree.kind, environment },
        ...{ createdBy: user, createdAt: clock.now().toISOString(), follow: null, answers: [], ports: [] },
        sealedPassword: repositoryPassword(context, tree.commonDirectory),
        ...{ envFile: null, chosen: null, last: null, usedEnvironment: null },
        variableAnswers: variableAnswersFor(tree.commonDirectory),
      });
    }
    const follower = await open({ id, path: tree.path });
    if (follower === undefined) throw fail('not_a_checkout', { folder });
    return follower;
  };

  const forget: CheckoutRegistry['forget'] = async (reference) => {
    const follower = await find(reference);
    // While it can still be refused; and once more, as a look that ran meanwhile may have written it again.
    await follower.takeBlockOut();
    await follower.close();
    await follower.takeBlockOut();
    await drop(follower.record());
  };

  const reopen = async ({ id, path, kind }: CheckoutRecord): Promise<void> => {
    try {
      const follower = await open({ id, path });
      // Working trees come and go by the dozen; what belongs to one that went stays with its clones.
      const isUnreadable = kind === 'worktree' && follower?.head().kind === 'unreadable';
      if (isUnreadable && (await git.locate(path)) === undefined) await forget(referenceSchema.parse(id));
    } catch (error) {
      log.warning('a checkout can not be followed', { checkout: id, problem: toFailure(error).message });
    }
  };

  const hear = createNews(() => [...followers.values()]);
  let unsubscribe: () => void = () => undefined;
  return {
    followers: () => [...followers.values()],
    find,
    follow,
    forget,
    async restore() {
      unsubscribe = feed.subscribe({ epoch: feed.epoch, seq: feed.seq() }, hear);
      await some(store.checkouts.list(), opensAtOnce, reopen);
    },
    async close() {
      unsubscribe();
      await Promise.all([...followers.values()].map((follower) => follower.close()));
      followers.clear();
    },
  };
}

/** A folder that is no working tree now, as it was. */
const remembered = ({ path, repository, kind }: CheckoutRecord): WorkingTree => ({
  ...{ path, kind, gitDirectory: repository, commonDirectory: repository },
});

/** Hands on to followers what concerns them of what happens to clones and environments. */
function createNews(followers: () => Follower[]): (event: Event) => void {
  /** What was last told of a clone or an environment, so that measured sizes disturb nobody. */
  const told = new Map<string, string>();
  const isNews = (key: string, about: unknown): boolean => {
    const text = JSON.stringify(about);
    if (told.get(key) === text) return false;
    told.set(key, text);
    return true;
  };
  const retry = (follower: Follower): void => void follower.retry();
  return (event) => {
    switch (event.kind) {
      case 'clone': {
        const clone = event.entity;
        if (isNews(clone.id, portsAndState(clone))) for (const each of followers()) each.notice(clone);
        return;
      }
      case 'clone.removed':
        told.delete(event.id);
        for (const each of followers())
          // There may be room now for what failed for want of it.
          if (each.entity().state === 'failed') retry(each);
          else each.notice({ id: event.id, repository: null });
        return;
      case 'environment': {
        const { name, definition, latestSnapshot } = event.entity;
        if (isNews(name, [definition, latestSnapshot])) followers().forEach(retry);
        return;
      }
      case 'environment.removed':
        told.delete(event.name);
        followers().forEach(retry);
        return;
      default:
    }
  };
}

/** What of a clone matters to where ports lead. */
function portsAndState({ state, branch, repository, members }: Clone): unknown {
  return [state, branch, repository, members.map((member) => [member.port, member.state])];
}
