/** A world whose checkouts are real Git working trees: opened, waited for, and asked through their stable ports as applications do. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Checkout, Clone, Connection } from '../../engine/protocol/entities.ts';
import type { Follow } from '../../engine/protocol/follow.ts';
import { makeRealPlace, type RealPlace } from '../contract/git/realGit.ts';
import { withLogin } from '../support/session.ts';
import { environment, fillWorld, openWorld, patienceMs, type World, type WorldOptions } from './world.ts';

/** Far more than anything takes on a busy machine; what is waited for is told with the error. */

export interface Told {
  /** The value of the one row that tells databases apart. */
  mark: string;
  /** The dataset that the server calls itself by. */
  dataset: string;
}

export interface CheckoutWorld {
  world: World;
  place: RealPlace;
  /** A repository with these branches (the first one is checked out) and a thin-clones.yaml that asks to follow. */
  repository(name: string, branches: readonly string[], follow?: Follow): Promise<string>;
  readonly git: (folder: string, ...args: string[]) => Promise<string>;
  open(folder: string): Promise<Checkout>;
  show(checkout: Pick<Checkout, 'id'>): Promise<Checkout>;
  /** Resolves with the checkout once it is so. */
  until(checkout: Pick<Checkout, 'id'>, what: string, is: (checkout: Checkout) => boolean): Promise<Checkout>;
  /** Resolves with the clone that it then leads to. */
  ready(checkout: Pick<Checkout, 'id'>, key: string): Promise<Clone>;
  login(checkout: Pick<Checkout, 'id'>): Promise<Connection>;
  clones(): Promise<Clone[]>;
  /** Forgets all checkouts and destroys all clones. */
  clear(): Promise<void>;
  dispose(): Promise<void>;
}

export async function openCheckoutWorld(options: WorldOptions = {}): Promise<CheckoutWorld> {
  const world = await openWorld(options);
  const place = await makeRealPlace();
  const git: CheckoutWorld['git'] = (folder, ...args) => place.run(folder, ...args);
  const show: CheckoutWorld['show'] = async ({ id }) =>
    (await world.client()).call('checkoutShow', { params: { checkout: id } });
  const until: CheckoutWorld['until'] = async (checkout, what, is) => {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const found = await show(checkout);
      if (is(found)) return found;
      assert.ok(
        performance.now() < deadline,
        `${what} was waited for, and there is ${JSON.stringify(found)}`,
      );
      await sleep(10);
    }
  };
  const clones = async (): Promise<Clone[]> => (await (await world.client()).call('cloneList', {})).items;
  const checkouts = async (): Promise<Checkout[]> =>
    (await (await world.client()).call('checkoutList', {})).items;

  const clear = async (): Promise<void> => {
    for (const { id } of await checkouts())
      await (await world.client()).call('checkoutForget', { params: { checkout: id } });
    for (const { id } of await clones())
      await world.done((client) => client.call('cloneDestroy', { params: { clone: id } }));
  };

  return {
    ...{ world, place, git, show, until, clones, clear },
    async repository(name, branches, follow = 'automatic') {
      const folder = join(place.folder, name);
      const [first = 'main', ...others] = branches;
      await git(place.folder, 'init', '--quiet', '--initial-branch', first, '--', name);
      await writeWorkspace(folder, follow);
      await git(folder, 'add', '.');
      await git(folder, 'commit', '--quiet', '--message', 'begin');
      for (const branch of others) await git(folder, 'branch', '--', branch);
      return folder;
    },
    open: async (folder) => (await world.client()).call('checkoutOpen', { body: { folder } }),
    async ready(checkout, key) {
      const { clone } = await until(
        checkout,
        `the database of ${key}`,
        (found) => found.state === 'ready' && found.key === key,
      );
      return (await world.client()).call('cloneShow', { params: { clone: clone ?? '' } });
    },
    async login({ id }) {
      const { items } = await (await world.client()).call('checkoutConnection', { params: { checkout: id } });
      const [first] = items;
      assert.ok(first, 'a checkout has a port for each member');
      return first;
    },
    async dispose() {
      await world.dispose().finally(() => place.dispose());
    },
  };
}

/** The same with the environment and its first snapshot. */
export async function openFilledCheckoutWorld(options: WorldOptions = {}): Promise<CheckoutWorld> {
  const opened = await openCheckoutWorld(options);
  try {
    await fillWorld(opened.world);
    return opened;
  } catch (error) {
    await opened.dispose();
    throw error;
  }
}

export async function writeWorkspace(
  folder: string,
  follow: Follow,
  more: readonly string[] = [],
  name: string = environment,
): Promise<void> {
  const lines = ['version: 1', 'workspace:', `  environment: ${name}`, `  follow: ${follow}`, ...more, ''];
  await writeFile(join(folder, 'thin-clones.yaml'), lines.join('\n'));
}

/** A new connection each time. */
export const withPort = <Value>(
  login: Connection,
  work: (session: pg.Client) => Promise<Value>,
): Promise<Value> => withLogin(login, work, { connectionTimeoutMillis: patienceMs });

export const tellQuery = `SELECT v AS mark, current_setting('cluster_name') AS dataset FROM mark`;

/** Who answers at a port, and what its data says. */
export const ask = (login: Connection): Promise<Told> =>
  withPort(login, async (session) => {
    const { rows } = await session.query<Told>(tellQuery);
    const [row] = rows;
    assert.ok(row !== undefined && rows.length === 1);
    return row;
  });

export const writeMark = async (login: Connection, mark: string): Promise<void> => {
  await withPort(login, (session) => session.query('UPDATE mark SET v = $1', [mark]));
};

/** How a connection is refused: its SQLSTATE and message. */
export async function refusal(login: Connection): Promise<{ code: string; message: string }> {
  try {
    const told = await ask(login);
    return { code: 'answered', message: told.mark };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { code: code ?? '', message };
  }
}
