/** Times a switch of branches as its user sees it: from the move of HEAD to the first query that the right database answers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Client } from '../../engine/protocol/client.ts';
import type { Checkout, Connection } from '../../engine/protocol/entities.ts';
import { withLogin } from './session.ts';

const PATIENCE_MS = 30_000;

export interface SwitchOptions {
  /** The top folder of a working tree that is not a linked one. */
  readonly folder: string;
  /** Of `git`. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly login: Connection;
  /** Asks on a new connection whether the database is the right one. */
  readonly isRight: (session: pg.Client) => Promise<boolean>;
}

/**
 * Milliseconds since the time that stands on HEAD. As soon as it moves, a new connection is opened for each query without a
 * pause; one that ends with the switch, or reaches the database from before, is followed by the next.
 */
export async function timeSwitch({ folder, args, env, login, isRight }: SwitchOptions): Promise<number> {
  const directory = join(folder, '.git');
  const moved = new AbortController();
  const watcher = watch(directory, (_event, name) => {
    if (name === 'HEAD') moved.abort();
  });
  try {
    const git = spawn('git', [...args], { cwd: folder, env, stdio: 'ignore' });
    const ended = once(git, 'exit');
    await delay(PATIENCE_MS, undefined, { signal: moved.signal }).then(
      () => {
        throw new Error(`git ${args.join(' ')} did not move HEAD.`);
      },
      (error: unknown) => {
        if (!moved.signal.aborted) throw error;
      },
    );
    const deadline = performance.now() + PATIENCE_MS;
    // best effort: a connection that ends with the switch is tried again
    while (!(await withLogin(login, isRight).catch(() => false))) {
      if (performance.now() > deadline) throw new Error(`After git ${args.join(' ')} no database answered.`);
    }
    const answeredAt = Date.now();
    const { mtimeMs } = await stat(join(directory, 'HEAD'));
    await ended;
    return answeredAt - mtimeMs;
  } finally {
    watcher.close();
  }
}

/** How to log in through the first port of a checkout. */
export async function checkoutLogin(client: Client, { id }: Checkout): Promise<Connection> {
  const { items } = await client.call('checkoutConnection', { params: { checkout: id } });
  const [login] = items;
  if (login === undefined) throw new Error('The checkout has no port.');
  return login;
}

/** Resolves when the checkout leads to the clone of the branch. */
export async function untilReady(client: Client, { id }: Checkout, branch: string): Promise<Checkout> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await client.call('checkoutShow', { params: { checkout: id } });
    if (found.state === 'ready' && found.key === branch) return found;
    if (performance.now() > deadline || found.state === 'failed')
      throw new Error(`${branch} has no database: ${found.reason ?? found.state}`);
    await delay(10);
  }
}
