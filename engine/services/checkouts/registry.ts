/** Which checkouts are followed: one follower for each, from the first request or a start on until it is forgotten. */
import type { VariableAnswer } from '../../domain/variables.ts';
import { fail, toFailure } from '../../protocol/errors.ts';
import {
  checkoutIdSchema,
  referenceSchema,
  type EnvironmentName,
  type Reference,
} from '../../protocol/ids.ts';
import type { CheckoutRecord } from '../../state/store.ts';
import { some, type ServiceContext } from '../context.ts';
import { knownPassword } from '../repositoryPassword.ts';
import type { Follower } from './follower.ts';
import { createFollowers } from './followers.ts';
import type { Hosts } from './hosts.ts';
import { createNews } from './news.ts';
import { passwordElsewhere } from './passwordElsewhere.ts';

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
  hosts: Hosts;
}

export function createCheckoutRegistry({ context, hosts }: RegistryOptions): CheckoutRegistry {
  const { store, git, random, vault, clock, feed, log } = context;

  const followers = createFollowers({ context, hosts });

  const variableAnswersFor = (repository: string): VariableAnswer[] =>
    store.checkouts.list().find((each) => each.repository === repository)?.variableAnswers ?? [];

  const find: CheckoutRegistry['find'] = async (reference) => {
    const wanted: string = reference;
    const record = store.checkouts.list().find(({ id, path }) => id === wanted || path === wanted);
    const found = record === undefined ? undefined : await followers.open(record);
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
    if (before !== undefined && before.repository !== tree.commonDirectory) await followers.drop(before);
    const repository = tree.commonDirectory;
    const isNew = recordHere() === undefined && knownPassword(context, repository) === undefined;
    const elsewhere = isNew ? await passwordElsewhere(hosts, repository, log) : undefined;
    const known = recordHere();
    const id = known?.id ?? checkoutIdSchema.parse(`checkout-${random.id()}`);
    if (known === undefined) {
      store.checkouts.put({
        ...{ id, path: tree.path, repository, kind: tree.kind, environment },
        ...{ createdBy: user, createdAt: clock.now().toISOString(), follow: null, answers: [], ports: [] },
        sealedPassword: knownPassword(context, repository) ?? vault.seal(elsewhere ?? random.password()),
        ...{ envFile: null, chosen: null, last: null, usedEnvironment: null },
        variableAnswers: variableAnswersFor(repository),
      });
    }
    const follower = await followers.open({ id, path: tree.path });
    if (follower === undefined) throw fail('not_a_checkout', { folder });
    return follower;
  };

  const forget: CheckoutRegistry['forget'] = async (reference) => {
    const follower = await find(reference);
    // While it can still be refused; and once more, as a look that ran meanwhile may have written it again.
    await follower.takeBlockOut();
    await follower.close();
    await follower.takeBlockOut();
    await followers.drop(follower.record());
  };

  const reopen = async ({ id, path, kind }: CheckoutRecord): Promise<void> => {
    try {
      const follower = await followers.open({ id, path });
      // Working trees come and go by the dozen; what belongs to one that went stays with its clones.
      const isUnreadable = kind === 'worktree' && follower?.head().kind === 'unreadable';
      if (isUnreadable && (await git.locate(path)) === undefined) await forget(referenceSchema.parse(id));
    } catch (error) {
      log.warning('a checkout can not be followed', { checkout: id, problem: toFailure(error).message });
    }
  };

  const hear = createNews(followers.all);
  let unsubscribe: () => void = () => undefined;
  let isClosed = false;
  return {
    followers: followers.all,
    find,
    follow,
    forget,
    async restore() {
      const own = feed.subscribe({ epoch: feed.epoch, seq: feed.seq() }, hear);
      // Not by the feed, where they are told to clients once this engine answers them.
      const others = hosts.subscribe(hear);
      unsubscribe = () => {
        own();
        others();
      };
      await hosts.ready();
      if (isClosed) return;
      await some(store.checkouts.list(), opensAtOnce, reopen);
    },
    async close() {
      isClosed = true;
      unsubscribe();
      await followers.closeAll();
    },
  };
}
